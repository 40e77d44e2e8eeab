{# Warns of segments that are smaller, larger or more changed than declared. #}
{{ config(severity='warn') }}

{% set alerts = ref('segment_size_alerts') %}
{% set findings %}
select
    segment_name,
    'Segment ' || segment_name || ' (' || owner || '): ' || finding as finding
from {{ alerts }}
where not is_stopped
{% endset %}

{% if execute and load_relation(alerts) %}
{% for row in run_query(findings).rows %}
{% do exceptions.warn(row[1]) %}
{% endfor %}
{% endif %}

{{ findings }}
