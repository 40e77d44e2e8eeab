{#- JSON object of identifiers, null when there are none: then a row is nobody's. -#}
{% macro identifier_object(pairs) -%}
case
    when {{ pairs.values() | join(' is not null or ') }} is not null
        then {{ json_object(pairs) | indent(12) }}
end
{%- endmacro %}
