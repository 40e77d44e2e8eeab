{#
    Warns of sharp changes of the last days, naming the day, the event and the numbers. The limits
    are the var `quality_alerts`.
#}
{{ config(severity='warn') }}

{% set columns = ['day', 'alert', 'source', 'event_name', 'property', 'value', 'usual_value'] %}
{% for row in seed_rows(ref('quality_alerts'), columns) %}
    {% set event = row[2] ~ ' ' ~ row[3] ~ ('.' ~ row[4] if row[4] else '') %}
    {% set form = '%.0f' if row[1] == 'volume fell' else '%.3f' %}
    {% do exceptions.warn(
        row[0] ~ ' ' ~ event ~ ': ' ~ row[1] ~ ' to ' ~ form % row[5] ~ ' from ' ~ form % row[6]
        ~ '. Look at event_quality, event_quality_reasons and property_quality.'
    ) %}
{% endfor %}

select * from {{ ref('quality_alerts') }}
