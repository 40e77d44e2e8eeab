{#- A column of any type as a UTC timestamp; null if it is not a valid timestamp. -#}
{% macro column_instant(column) -%}
    {%- if 'TIMESTAMP' in column.dtype.upper() -%}
        {{ utc_timestamp(column) }}
    {%- else -%}
        {{ try_timestamp('cast(' ~ adapter.quote(column.name) ~ ' as varchar)') }}
    {%- endif -%}
{%- endmacro %}
