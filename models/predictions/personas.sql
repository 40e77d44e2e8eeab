{# The catalog of the personas in use; a persona without profiles stays, with size 0. #}
{% set named_behaviors = 3 %}

with data_clock as (

    select * from {{ ref('data_clock') }}

),

centroids as (

    select persona_centroids.*
    from {{ ref('persona_centroids') }} as persona_centroids
    inner join data_clock
        on persona_centroids.trained_as_of <= data_clock.as_of
    inner join {{ ref('last_removal') }} as last_removal
        on {{ trained_since('persona_centroids', 'last_removal') }}
    qualify
        rank() over (order by persona_centroids.trained_as_of desc) = 1

),

ranked_behaviors as (

    select
        *,
        row_number() over (
            partition by persona_id order by abs(center) desc, feature
        ) as behavior_number
    from centroids

),

descriptions as (

    select
        persona_id,
        persona_name,
        model_version,
        trained_as_of,
        {{ dbt.listagg(
            "case when behavior_number <= " ~ named_behaviors
            ~ " then case when center < 0 then 'low ' else 'high ' end"
            ~ " || replace(feature, '_', ' ') end",
            "', '",
            "order by behavior_number"
        ) | indent(8) }} as description
    from ranked_behaviors
    group by persona_id, persona_name, model_version, trained_as_of

),

sizes as (

    select
        persona_id,
        count(*) as profile_count
    from {{ ref('profile_personas') }}
    group by persona_id

)

select
    descriptions.persona_id,
    descriptions.persona_name,
    descriptions.description,
    coalesce(sizes.profile_count, 0) as profile_count,
    descriptions.model_version,
    descriptions.trained_as_of
from descriptions
left join sizes
    on descriptions.persona_id = sizes.persona_id
