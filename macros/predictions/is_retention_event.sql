{#- Whether the absence of an event name is churn. -#}
{% macro is_retention_event(event_name) -%}
    {%- if var('churn_absence_of') -%}
        {{ event_name }} in ({{ literals('churn_absence_of') }})
    {%- else -%}
        {{ is_activity(event_name) }}
    {%- endif -%}
{%- endmacro %}
