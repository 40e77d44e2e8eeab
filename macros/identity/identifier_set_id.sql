{#- Key of the set of identifiers that an event carries: its source, its columns, its JSON. -#}
{% macro identifier_set_id(event) -%}
md5(
    {%- for column in ['source', 'anonymous_id', 'user_id', 'identifiers'] %}
    md5(coalesce(cast({{ event }}.{{ column }} as varchar), '')){{ ' ||' if not loop.last }}
    {%- endfor %}
)
{%- endmacro %}
