{#-
    The columns of the universal event schema, by name: models that unite rows or empty them name
    each. Types and descriptions are in models/staging/_staging.yml; a test compares the names.
-#}
{% macro universal_columns() %}
    {{ return([
        'event_id', 'event_name', 'source', 'anonymous_id', 'user_id', 'occurred_at',
        'received_at', 'platform', 'context', 'properties', 'identifiers', 'landed_file',
        'landed_line', 'landed_part', 'landed_at', 'problem', 'original',
    ]) }}
{% endmacro %}
