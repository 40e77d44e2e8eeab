{#
    Warns of sharp changes in recent days, with the day, the event and the numbers. The limits are
    the var `quality_alerts`. The log does not show names that are not in the plan, since they may
    contain anything, such as an email address.
#}
{{ config(severity='warn') }}

{% set columns = ['day', 'alert', 'source', 'event_name', 'property', 'value', 'usual_value'] %}
{% set planned = plan_rules(ref('tracking_plan')) %}
{% for row in seed_rows(ref('quality_alerts'), columns) %}
    {% set is_shown = row[3] in planned or row[3] in ['(none)', '(other)'] %}
    {% set name = row[3] if is_shown else '(unplanned)' %}
    {% set event = row[2] ~ ' ' ~ name ~ ('.' ~ row[4] if row[4] else '') %}
    {% set form = '%.0f' if row[1] == 'volume fell' else '%.3f' %}
    {% do exceptions.warn(
        row[0] ~ ' ' ~ event ~ ': ' ~ row[1] ~ ' to ' ~ form % row[5] ~ ' from ' ~ form % row[6]
        ~ '. Look at event_quality, event_quality_reasons and property_quality.'
    ) %}
{% endfor %}

select * from {{ ref('quality_alerts') }}
