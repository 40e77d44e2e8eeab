{% macro parse_json_text(text) -%}
    {{ return(adapter.dispatch('parse_json_text', 'tideline')(text)) }}
{%- endmacro %}

{% macro duckdb__parse_json_text(text) -%}
    try_cast({{ text }} as json)
{%- endmacro %}

{% macro snowflake__parse_json_text(text) -%}
    try_parse_json({{ text }})
{%- endmacro %}
