{#- Whether churn is the `absence` or the `presence` of events; setting both stops the build. -#}
{% macro churn_label() %}
    {%- if var('churn_absence_of') and var('churn_presence_of') -%}
        {{ exceptions.raise_compiler_error(
            'The vars churn_absence_of and churn_presence_of cannot be used together. Set one of '
            ~ 'them to [].'
        ) }}
    {%- endif -%}
    {{ return('presence' if var('churn_presence_of') else 'absence') }}
{% endmacro %}

{#- Whether an event name decides the churn label. -#}
{% macro is_churn_outcome(event_name) -%}
    {%- if churn_label() == 'presence' -%}
        {{ event_name }} in ({{ literals('churn_presence_of') }})
    {%- else -%}
        {{ is_retention_event(event_name) }}
    {%- endif -%}
{%- endmacro %}

{#- Whether the absence of an event name is churn. -#}
{% macro is_retention_event(event_name) -%}
    {%- if var('churn_absence_of') -%}
        {{ event_name }} in ({{ literals('churn_absence_of') }})
    {%- else -%}
        {{ is_activity(event_name) }}
    {%- endif -%}
{%- endmacro %}

{#- Whether an event name is activity of a person, i.e. neither passive nor idle. -#}
{% macro is_activity(event_name) -%}
    {{ event_name }} not in ({{ literals('passive_events', 'idle_events') }})
{%- endmacro %}
