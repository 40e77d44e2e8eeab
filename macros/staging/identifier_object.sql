{#- JSON object of identifiers; null if there are none. -#}
{% macro identifier_object(pairs) -%}
case
    when {{ pairs.values() | join(' is not null or ') }} is not null
        then {{ json_object(pairs) | indent(12) }}
end
{%- endmacro %}
