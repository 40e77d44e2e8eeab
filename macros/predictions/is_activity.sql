{#- Whether an event is something that a person did, by its name: neither passive nor idle. -#}
{% macro is_activity(event_name) -%}
    {{ event_name }} not in ({{ literals('passive_events', 'idle_events') }})
{%- endmacro %}
