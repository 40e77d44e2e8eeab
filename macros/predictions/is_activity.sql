{#- Whether an event name is activity of a person, i.e. neither passive nor idle. -#}
{% macro is_activity(event_name) -%}
    {{ event_name }} not in ({{ literals('passive_events', 'idle_events') }})
{%- endmacro %}
