{#- Whether an event is one whose absence is churn, by its name. -#}
{% macro is_retention_event(event_name) -%}
    {%- if var('churn_absence_of') -%}
        {{ event_name }} in ({{ literals('churn_absence_of') }})
    {%- else -%}
        {{ is_activity(event_name) }}
    {%- endif -%}
{%- endmacro %}
