{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches', 'tideline')(text, pattern)) }}
{%- endmacro %}

{% macro duckdb__matches(text, pattern) -%}
    coalesce(regexp_matches({{ text }}, '{{ pattern }}', 'is'), false)
{%- endmacro %}

{% macro snowflake__matches(text, pattern) -%}
    {#- regexp_like matches only the whole text there. -#}
    coalesce(regexp_like({{ text }}, '.*({{ pattern }}).*', 'is'), false)
{%- endmacro %}
