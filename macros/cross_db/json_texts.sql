{% macro json_texts(json, paths) -%}
    {{ return(adapter.dispatch('json_texts', 'tideline')(json, paths)) }}
{%- endmacro %}

{# Equal expressions of one select are evaluated once there, so the JSON is parsed once. #}
{% macro duckdb__json_texts(json, paths) -%}
    {%- set quoted = [] -%}
    {%- for path in paths -%}
        {%- do quoted.append("'$." ~ tideline.json_path(path) ~ "'") -%}
    {%- endfor -%}
    {%- set list = 'json_extract_string(' ~ json ~ ', [' ~ quoted | join(', ') ~ '])' -%}
    {%- set texts = {} -%}
    {%- for path in paths -%}
        {%- do texts.update({path: list ~ '[' ~ loop.index ~ ']'}) -%}
    {%- endfor -%}
    {{ return(texts) }}
{%- endmacro %}

{% macro snowflake__json_texts(json, paths) -%}
    {%- set texts = {} -%}
    {%- for path in paths -%}
        {%- do texts.update({path: tideline.json_text(json, path)}) -%}
    {%- endfor -%}
    {{ return(texts) }}
{%- endmacro %}
