{% macro columns_of(database) -%}
    {{ return(adapter.dispatch('columns_of', 'tideline')(database)) }}
{%- endmacro %}

{# One view for all databases. #}
{% macro duckdb__columns_of(database) -%}
    information_schema.columns
{%- endmacro %}

{% macro snowflake__columns_of(database) -%}
    {{ database }}.information_schema.columns
{%- endmacro %}
