{{ config(materialized='view') }}

with dim_profiles as (

    select * from {{ ref('dim_profiles') }}

),

profile_traits as (

    select * from {{ ref('profile_traits') }}

),

profile_features as (

    select * exclude (is_for_serving, is_for_churn, is_for_bundle_purchase)
    from {{ ref('profile_features') }}
    where is_for_serving

),

scores as (

    select
        {# Only the sample shop has the model of bundles. #}
        {% for model_name in ['churn'] + (['bundle_purchase'] if var('shop') else []) %}
        max(case when model_name = '{{ model_name }}' then score end) as {{ model_name }}_score,
        {% endfor %}
        profile_id
    from {{ ref('profile_scores') }}
    group by profile_id

),

profile_personas as (

    select
        profile_id,
        persona_id,
        persona_name
    from {{ ref('profile_personas') }}

)

select
    profile_features.*,
    profile_traits.* exclude (profile_id),
    dim_profiles.user_id is not null as is_known,
    scores.* exclude (profile_id),
    profile_personas.persona_id,
    profile_personas.persona_name
from profile_features
inner join dim_profiles
    on profile_features.profile_id = dim_profiles.profile_id
inner join profile_traits
    on profile_features.profile_id = profile_traits.profile_id
left join scores
    on profile_features.profile_id = scores.profile_id
left join profile_personas
    on profile_features.profile_id = profile_personas.profile_id
