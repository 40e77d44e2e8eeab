{# The nearest centroid, in the scale of training; values are clipped to `clip` deviations. #}
{% set behaviors = feature_columns(ref('persona_behaviors')) %}
{% set clip = 3 %}

with persona_behaviors as (

    select * from {{ ref('persona_behaviors') }}

),

data_clock as (

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

feature_values as (
    {{ feature_values('persona_behaviors', behaviors) | indent(4) }}
),

distances as (

    select
        feature_values.profile_id,
        feature_values.as_of,
        centroids.persona_id,
        centroids.persona_name,
        centroids.model_version,
        round(sqrt(sum(power(
            greatest(-{{ clip }}, least(
                {{ clip }},
                (ln(1 + greatest(feature_values.value, 0)) - centroids.mean) / centroids.scale
            )) - centroids.center,
            2
        ))), 6) as distance
    from feature_values
    inner join centroids
        on feature_values.feature = centroids.feature
    group by
        feature_values.profile_id,
        feature_values.as_of,
        centroids.persona_id,
        centroids.persona_name,
        centroids.model_version

)

select
    profile_id,
    as_of,
    persona_id,
    persona_name,
    model_version,
    distance
from distances
qualify row_number() over (partition by profile_id order by distance, persona_id) = 1
