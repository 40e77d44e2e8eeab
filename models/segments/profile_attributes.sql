{{ config(materialized='view') }}

{# The attributes that `attribute_rules` declares and the yml of this model allows. #}
{% set declared = seed_rows(ref('attribute_rules'), ['attribute']) | map('first') | list %}
{% set golden_attributes = golden_attributes() | select('in', declared) | list %}

with dim_profiles as (

    select * from {{ ref('dim_profiles') }}

),

golden_profiles as (

    select * from {{ ref('golden_profiles') }}

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
    dim_profiles.first_seen_at,
    dim_profiles.identifier_count,
    dim_profiles.anonymous_id_count,
    {% for name in golden_attributes %}
    golden_profiles.{{ name }},
    {% endfor %}
    scores.* exclude (profile_id),
    profile_personas.persona_id,
    profile_personas.persona_name
from profile_features
inner join dim_profiles
    on profile_features.profile_id = dim_profiles.profile_id
inner join golden_profiles
    on profile_features.profile_id = golden_profiles.profile_id
inner join profile_traits
    on profile_features.profile_id = profile_traits.profile_id
left join scores
    on profile_features.profile_id = scores.profile_id
left join profile_personas
    on profile_features.profile_id = profile_personas.profile_id
