{#- Names of a relation's numeric columns, in order; empty if it does not exist yet. -#}
{% macro feature_columns(relation) %}
    {%- set names = [] -%}
    {%- if execute and load_relation(relation) -%}
        {%- set number = '(double|float|real|fixed|decimal|numeric|number|integer'
            ~ '|u?(huge|big|small|tiny)?int)\\b' -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- if modules.re.match(number, column.dtype | lower) -%}
                {%- do names.append(column.name | lower) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(names) }}
{% endmacro %}
