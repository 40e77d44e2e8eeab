{% macro json_text(json, path) -%}
    {{ return(adapter.dispatch('json_text', 'tideline')(json, path)) }}
{%- endmacro %}

{% macro duckdb__json_text(json, path) -%}
    ({{ json }} ->> '$."{{ path | replace('.', '"."') }}"')
{%- endmacro %}

{% macro snowflake__json_text(json, path) -%}
    cast(get_path({{ json }}, '"{{ path | replace('.', '"."') }}"') as varchar)
{%- endmacro %}
