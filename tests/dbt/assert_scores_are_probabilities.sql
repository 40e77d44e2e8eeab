{# A score is in [0, 1]. Exactly the profiles in the population of a current model have one. #}
with served_profiles as (

    select
        profile_features.profile_id,
        model_versions.model_name
    from {{ ref('profile_features') }} as profile_features
    cross join {{ ref('model_versions') }} as model_versions
    where
        profile_features.is_for_serving
        and model_versions.is_current
        and case
            when model_versions.model_name = 'churn' then profile_features.is_for_churn
            else profile_features.is_for_bundle_purchase
        end

)

select
    coalesce(served_profiles.profile_id, profile_scores.profile_id) as profile_id,
    coalesce(served_profiles.model_name, profile_scores.model_name) as model_name,
    profile_scores.score
from served_profiles
full outer join {{ ref('profile_scores') }} as profile_scores
    on
        served_profiles.profile_id = profile_scores.profile_id
        and served_profiles.model_name = profile_scores.model_name
where
    served_profiles.profile_id is null
    or profile_scores.score is null
    or not profile_scores.score between 0 and 1
