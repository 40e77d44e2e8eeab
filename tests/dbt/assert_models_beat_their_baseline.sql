{#
    Warns, naming model and numbers, where the newest version ranks no better than a rule over one
    feature, or where there are examples and yet no version. The version before it goes on scoring.
#}
{{ config(severity='warn') }}

{% set findings %}
with examples as (

    select distinct model_name from {{ ref('training_examples') }}

),

newest as (

    select * from {{ ref('model_versions') }}
    qualify row_number() over (partition by model_name order by trained_as_of desc) = 1

)

select
    coalesce(examples.model_name, newest.model_name) as model_name,
    newest.model_version,
    newest.auc,
    newest.baseline_auc
from examples
full outer join newest
    on examples.model_name = newest.model_name
where newest.model_version is null or not newest.is_promoted
{% endset %}

{% set is_built = execute
    and load_relation(ref('model_versions'))
    and load_relation(ref('training_examples')) %}
{% if is_built %}
    {% for row in run_query(findings).rows %}
        {% if row[1] %}
            {% do exceptions.warn(
                row[1] ~ ' is not promoted: its auc on the later slice is '
                ~ '%.3f' % row[2] ~ ', the baseline has ' ~ '%.3f' % row[3] ~ '.'
            ) %}
        {% else %}
            {% do exceptions.warn(
                'Model ' ~ row[0] ~ ' has no version: too few examples, or of one outcome only.'
            ) %}
        {% endif %}
    {% endfor %}
{% endif %}

{{ findings }}
