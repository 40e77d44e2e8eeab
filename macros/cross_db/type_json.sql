{% macro type_json() -%}
    {{ return(adapter.dispatch('type_json', 'tideline')()) }}
{%- endmacro %}

{% macro duckdb__type_json() -%}
    json
{%- endmacro %}

{% macro snowflake__type_json() -%}
    variant
{%- endmacro %}
