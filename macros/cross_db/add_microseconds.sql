{% macro add_microseconds(timestamp, count) -%}
    {{ return(adapter.dispatch('add_microseconds', 'tideline')(timestamp, count)) }}
{%- endmacro %}

{% macro duckdb__add_microseconds(timestamp, count) -%}
    {#- dbt's dateadd uses 32 bits there, which half an hour of microseconds exceeds. -#}
    ({{ timestamp }} + to_microseconds({{ count }}))
{%- endmacro %}

{% macro snowflake__add_microseconds(timestamp, count) -%}
    dateadd('microsecond', {{ count }}, {{ timestamp }})
{%- endmacro %}
