{#
    The declaration of each model as text that names everything its meaning depends on. If the text
    changes, so does the declaration's id: scores of the former declaration are not served, and a
    version for the new one is trained.
#}
{% set inactive = checked_var('passive_events') + checked_var('idle_events') %}
{% set kept = checked_var('churn_absence_of') %}
{% set ended = checked_var('churn_presence_of') | join(' or ') %}
{% set began = checked_var('churn_start_events') | join(' or ') %}
{% set label = ended or 'no ' ~ (kept | join(' and no ') or 'activity') %}
{% set population = (kept | join(' or ') or 'activity') ~ ' in the last '
    ~ var('churn_population_days') ~ ' days' %}
{% if ended and began %}
{% set population = population ~ ', and ' ~ began ~ ' since the last ' ~ ended %}
{% elif ended %}
{% set population = population ~ ', and never ' ~ ended %}
{% endif %}
{% set features = feature_columns(ref('profile_features')) | sort %}
{% set bundle = checked_var('bundle') %}
{% set count = bundle.least_products %}
{% set bundle_label = 'an order of at least ' ~ {1: 'one', 2: 'two', 3: 'three'}.get(count, count)
    ~ ' products and of at least ' ~ bundle.least_revenue %}
{% set bundle_population = 'a visit with product views that ended in the last '
    ~ bundle.horizon_hours ~ ' hours' %}

with declarations as (

    select
        'churn' as model_name,
        '{{ label | replace("'", "''") }}' as label,
        {{ var('churn_horizon_days') }} * 24 as horizon_hours,
        '{{ population | replace("'", "''") }}' as population
    {% if var('shop') %}
    union all
    select
        'bundle_purchase' as model_name,
        '{{ bundle_label }}' as label,
        {{ bundle.horizon_hours }} as horizon_hours,
        '{{ bundle_population }}' as population
    {% endif %}

),

descriptions as (

    select
        *,
        'any event except'
        {%- for name in inactive %}
        || ' {{ name | replace("'", "''") }}{{ "," if not loop.last }}'
        {%- endfor %} as activity,
        ''
        {%- for name in features %}
        || '{{ ", " if not loop.first }}{{ name }}'
        {%- endfor %} as features
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
from descriptions
