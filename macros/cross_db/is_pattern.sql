{% macro is_pattern(text) -%}
    {{ return(adapter.dispatch('is_pattern', 'tideline')(text)) }}
{%- endmacro %}

{% macro duckdb__is_pattern(text) -%}
    try(regexp_full_match('', {{ text }})) is not null
{%- endmacro %}

{% macro snowflake__is_pattern(text) -%}
    {#- Nothing catches the error of one that is not; but it names the pattern. -#}
    {{ text }} is not null
{%- endmacro %}
