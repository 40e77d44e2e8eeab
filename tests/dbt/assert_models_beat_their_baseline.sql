{#
    Warns, with the numbers, if a model cannot be trained, or if its newest version is not
    significantly better than a rule over one feature. An earlier promoted version continues to
    score.
#}
{{ config(severity='warn') }}

{% set findings %}
with missing_models as (

    select
        model_name,
        {{ dbt.listagg(
            "finding", "'; '", "order by requirement_number, requirement"
        ) | indent(8) }} as findings
    from {{ ref('model_requirements') }}
    where not is_met
    group by model_name

),

newest_versions as (

    select * from {{ ref('model_versions') }}
    where is_newest

)

select
    model_name,
    'Model ' || model_name || ' cannot be trained: ' || findings || '.' as finding
from missing_models
union all
select
    model_name,
    model_version || ' is not promoted: ' || judgement || '.' as finding
from newest_versions
where not is_promoted
{% endset %}

{% set is_built = execute
    and load_relation(ref('model_versions'))
    and load_relation(ref('model_requirements')) %}
{% if is_built %}
    {% for row in run_query(findings).rows %}
        {% do exceptions.warn(row[1]) %}
    {% endfor %}
{% endif %}

{{ findings }}
