{% macro add_microseconds(timestamp, count) -%}
    {{ return(adapter.dispatch('add_microseconds', 'tideline')(timestamp, count)) }}
{%- endmacro %}

{% macro duckdb__add_microseconds(timestamp, count) -%}
    {#- dbt's own dateadd counts in 32 bits there: half an hour of microseconds is too many. -#}
    ({{ timestamp }} + to_microseconds({{ count }}))
{%- endmacro %}

{% macro snowflake__add_microseconds(timestamp, count) -%}
    dateadd('microsecond', {{ count }}, {{ timestamp }})
{%- endmacro %}
