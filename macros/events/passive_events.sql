{#-
    The events of var `passive_events` as SQL literals: what happens to a person, not in a visit.
-#}
{% macro passive_events() -%}
    {%- for event_name in var('passive_events') -%}
        '{{ event_name }}'
        {%- if not loop.last %}, {{ '\n' }}{% endif -%}
    {%- endfor -%}
{%- endmacro %}
