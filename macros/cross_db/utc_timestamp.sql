{% macro utc_timestamp(column) -%}
    {{ return(adapter.dispatch('utc_timestamp', 'tideline')(column)) }}
{%- endmacro %}

{% macro duckdb__utc_timestamp(column) -%}
    {%- set value = adapter.quote(column.name) -%}
    {%- if column.dtype.upper() == 'TIMESTAMP WITH TIME ZONE' -%}
        ({{ value }} at time zone 'UTC')
    {%- else -%}
        cast({{ value }} as timestamp)
    {%- endif -%}
{%- endmacro %}

{% macro snowflake__utc_timestamp(column) -%}
    {%- set value = adapter.quote(column.name) -%}
    {%- if column.dtype.upper() in ['TIMESTAMP_TZ', 'TIMESTAMP_LTZ'] -%}
        cast(convert_timezone('UTC', {{ value }}) as timestamp_ntz(6))
    {%- else -%}
        cast({{ value }} as timestamp_ntz(6))
    {%- endif -%}
{%- endmacro %}
