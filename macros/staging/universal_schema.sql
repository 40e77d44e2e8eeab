{#-
    The column names of the universal event schema, for models that list them all. Types and
    descriptions are in models/staging/_staging.yml; a test compares the names.
-#}
{% macro universal_columns() %}
    {{ return([
        'event_id', 'event_name', 'source', 'anonymous_id', 'user_id', 'occurred_at',
        'received_at', 'platform', 'context', 'properties', 'identifiers', 'landed_file',
        'landed_line', 'landed_part', 'landed_at', 'problem', 'original',
    ]) }}
{% endmacro %}

{#- JSON object of identifiers; null if there are none. -#}
{% macro identifier_object(pairs) -%}
case
    when {{ pairs.values() | join(' is not null or ') }} is not null
        then {{ json_object(pairs) | indent(12) }}
end
{%- endmacro %}

{#- A timestamp as text for an event id: microseconds since 1970, the same for every format. -#}
{% macro instant_text(timestamp) -%}
cast(datediff('microsecond', timestamp '1970-01-01 00:00:00', {{ timestamp }}) as varchar)
{%- endmacro %}
