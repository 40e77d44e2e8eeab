{# Warns of experiments whose arms have other sizes than declared: their results are wrong. #}
{{ config(severity='warn') }}

{% set results = ref('experiment_results') %}
{% set findings %}
select distinct
    experiment_name,
    arm,
    'Experiment ' || experiment_name || ': ' || exposed_people || ' people are in the arm ' || arm
    || '; about ' || cast(round(expected_people) as bigint)
    || ' are expected. Its results are wrong: find out who is missing '
    || '(docs/reference/experiments.md)' as finding
from {{ results }}
where is_ratio_off
{% endset %}

{% if execute and load_relation(results) %}
{% for row in run_query(findings).rows %}
{% do exceptions.warn(row[2]) %}
{% endfor %}
{% endif %}

{{ findings }}
