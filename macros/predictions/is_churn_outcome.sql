{#- Whether an event name decides the churn label. -#}
{% macro is_churn_outcome(event_name) -%}
    {%- if churn_label() == 'presence' -%}
        {{ event_name }} in ({{ literals('churn_presence_of') }})
    {%- else -%}
        {{ is_retention_event(event_name) }}
    {%- endif -%}
{%- endmacro %}
