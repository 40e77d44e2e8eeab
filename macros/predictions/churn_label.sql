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
