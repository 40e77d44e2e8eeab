{#-
    The columns of a model that declare something under `config.meta.<kind>` ('trait', 'segment'),
    as a list of {name, description, spec}. Empty while dbt only parses.
-#}
{% macro declared_columns(model_name, kind) %}
    {%- set declared = [] -%}
    {%- if execute -%}
        {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] -%}
        {%- for column in node.columns.values() -%}
            {%- set meta = column.get('config', {}).get('meta', {}) or column.get('meta', {}) -%}
            {%- if kind in meta -%}
                {%- do declared.append({
                    'name': column.name,
                    'description': column.description | trim,
                    'spec': meta[kind],
                }) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(declared) }}
{% endmacro %}
