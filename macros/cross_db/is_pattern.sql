{% macro is_pattern(text) -%}
    {{ return(adapter.dispatch('is_pattern', 'tideline')(text)) }}
{%- endmacro %}

{% macro duckdb__is_pattern(text) -%}
    try(regexp_full_match('', {{ text }})) is not null
{%- endmacro %}

{% macro snowflake__is_pattern(text) -%}
    {#- Snowflake cannot catch the error of an invalid pattern, but the error names it. -#}
    {{ text }} is not null
{%- endmacro %}
