{% macro matches_whole(text, pattern) -%}
    {{ return(adapter.dispatch('matches_whole', 'tideline')(text, pattern)) }}
{%- endmacro %}

{% macro duckdb__matches_whole(text, pattern) -%}
    regexp_full_match({{ text }}, '{{ pattern }}', 's')
{%- endmacro %}

{% macro snowflake__matches_whole(text, pattern) -%}
    regexp_like({{ text }}, '{{ pattern }}', 's')
{%- endmacro %}
