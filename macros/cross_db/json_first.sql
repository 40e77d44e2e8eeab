{% macro json_first(json) -%}
    {{ return(adapter.dispatch('json_first', 'tideline')(json)) }}
{%- endmacro %}

{% macro duckdb__json_first(json) -%}
    coalesce({{ json }} -> '$[0][0]', {{ json }} -> '$[0]', {{ json }})
{%- endmacro %}

{% macro snowflake__json_first(json) -%}
    coalesce(get(get({{ json }}, 0), 0), get({{ json }}, 0), {{ json }})
{%- endmacro %}
