{# Fails, and so stops the build before `activation_audiences`, for segments that ask for it. #}
{{ config(severity='error') }}

{% set alerts = ref('segment_size_alerts') %}
{% set findings %}
select
    segment_name,
    'Segment ' || segment_name || ' (' || owner || '): ' || finding as finding
from {{ alerts }}
where is_stopped
{% endset %}

{% if execute and load_relation(alerts) %}
{% for row in run_query(findings).rows %}
{% do exceptions.warn(row[1]) %}
{% endfor %}
{% endif %}

{{ findings }}
