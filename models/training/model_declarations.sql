{#
    What each model is asked, in words that name all that its meaning depends on. Where the words
    change, the declaration's id does: scores of the former meaning are not served, and a version of
    the new one is trained.
#}
{% set activity = 'any event except ' ~ (var('passive_events') + var('idle_events')) | join(', ') %}
{% if churn_label() == 'presence' %}
    {% set label = var('churn_presence_of') | join(' or ') %}
{% else %}
    {% set label = 'no ' ~ (var('churn_absence_of') | join(' and no ') or 'activity') %}
{% endif %}
{% set population %}
    {{- var('churn_absence_of') | join(' or ') or 'activity' }} in the last
    {{- ' ' ~ var('churn_population_days') }} days
    {%- if churn_label() == 'presence' and var('churn_start_events') -%}
        , and {{ var('churn_start_events') | join(' or ') }} since the last {{ label }}
    {%- elif churn_label() == 'presence' -%}
        , and never {{ label }}
    {%- endif %}
{%- endset %}
{% set bundle_hours = var('bundle_horizon_hours') %}

with declarations as (

    select
        'churn' as model_name,
        '{{ label | replace("'", "''") }}' as label,
        {{ var('churn_horizon_days') }} * 24 as horizon_hours,
        '{{ population | replace("'", "''") }}' as population
    union all
    select
        'bundle_purchase' as model_name,
        'an order of at least two products and of at least 200' as label,
        {{ bundle_hours }} as horizon_hours,
        'a visit with product views that ended in the last {{ bundle_hours }} hours' as population

),

described as (

    select
        *,
        '{{ activity | replace("'", "''") }}' as activity,
        '{{ feature_columns(ref("profile_features")) | sort | join(", ") }}' as features
    from declarations

)

select
    *,
    substr(
        {{ sha256(
            "model_name || '; ' || label || '; ' || horizon_hours || '; ' || population || '; '"
            ~ " || activity || '; ' || features"
        ) }},
        1,
        8
    ) as declaration_id
from described
