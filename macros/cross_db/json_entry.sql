{% macro json_entry(json, name) -%}
    {{ return(adapter.dispatch('json_entry', 'tideline')(json, name)) }}
{%- endmacro %}

{% macro duckdb__json_entry(json, name) -%}
    (list_filter(
        try_cast({{ json }} as json[]),
        lambda entry: (entry ->> '$.name') = '{{ name }}'
    )[1] ->> '$.value')
{%- endmacro %}

{% macro snowflake__json_entry(json, name) -%}
    {#- The text of a JSON object has its keys in order. -#}
    regexp_substr(
        cast({{ json }} as varchar),
        '"name": ?"{{ name }}"[^}]*"value": ?"([^"]*)"',
        1, 1, 'e', 1
    )
{%- endmacro %}
