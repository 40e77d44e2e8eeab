{#- Whether an event decides the label of churn, by its name: it ends something, or nothing ended. -#}
{% macro is_churn_outcome(event_name) -%}
    {%- if churn_label() == 'presence' -%}
        {{ event_name }} in ({{ literals('churn_presence_of') }})
    {%- else -%}
        {{ is_retention_event(event_name) }}
    {%- endif -%}
{%- endmacro %}
