{#- The SHA-256 of a text, in hex. -#}
{% macro sha256(text) -%}
    {{ return(adapter.dispatch('sha256', 'tideline')(text)) }}
{%- endmacro %}

{% macro duckdb__sha256(text) -%}
    sha256({{ text }})
{%- endmacro %}

{% macro snowflake__sha256(text) -%}
    sha2({{ text }}, 256)
{%- endmacro %}
