{% macro json_source(json, path) -%}
    {{ return(adapter.dispatch('json_source', 'tideline')(json, path)) }}
{%- endmacro %}

{% macro duckdb__json_source(json, path) -%}
    cast({{ json }} -> '$."{{ path | replace('.', '"."') }}"' as varchar)
{%- endmacro %}

{% macro snowflake__json_source(json, path) -%}
    to_json(get_path({{ json }}, '"{{ path | replace('.', '"."') }}"'))
{%- endmacro %}
