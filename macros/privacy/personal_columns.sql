{#- The columns of a model that its documentation marks `personal`; empty while dbt only parses. -#}
{% macro personal_columns(model_name) %}
    {%- set names = [] -%}
    {%- if execute -%}
        {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] -%}
        {%- for column in node.columns.values() if 'personal' in column_meta(column) -%}
            {%- do names.append(column.name) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(names) }}
{% endmacro %}
