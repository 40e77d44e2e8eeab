{% macro row_object(columns) -%}
    {{ return(adapter.dispatch('row_object', 'tideline')(columns)) }}
{%- endmacro %}

{% macro duckdb__row_object(columns) -%}
    json_object(
        {%- for column in columns %}
        '{{ column.name | lower | replace("'", "''") }}',
        {{ adapter.quote(column.name) }}{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{% macro snowflake__row_object(columns) -%}
    {#-
        By default a timestamp becomes text in the format of the connection, cut to milliseconds.
    -#}
    to_variant(object_construct(
        {%- for column in columns %}
        '{{ column.name | lower | replace("'", "''") }}',
        {% if column.dtype.upper().startswith('TIMESTAMP') -%}
        to_varchar({{ utc_timestamp(column) }}, 'YYYY-MM-DD HH24:MI:SS.FF6')
        {%- else -%}
        {{ adapter.quote(column.name) }}
        {%- endif %}{{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}
