{#
    Built last. A run that skips one of the steps does not advance: the next run begins where the
    last complete one ended.
#}
{% set steps = [
    'model.tideline.identifier_sets', 'model.tideline.int_touched_identifiers',
    'model.tideline.int_neighbourhoods', 'model.tideline.int_reached_identifiers',
    'model.tideline.identity_blocked', 'model.tideline.identity_components',
    'model.tideline.identity_map', 'model.tideline.dim_profiles',
    'model.tideline.profile_revisions',
] %}
{% set left_out = steps | reject('in', selected_resources) | list %}
{% set watermark = identity_watermark() %}

-- depends_on: {{ ref('identity_blocked') }}, {{ ref('dim_profiles') }}
-- depends_on: {{ ref('profile_revisions') }}
with busy_minutes as (

    select max(updated_at) as updated_at from {{ ref('int_busy_minutes') }}

),

progress as (

    select
        updated_at,
        matched_at
    from {{ ref('int_touched_identifiers') }}
    where {{ 'false' if left_out else 'true' }}

    {% if watermark %}
    union all

    select
        updated_at,
        matched_at
    from {{ this }}
    {% endif %}

)

{# Arrivals whose minutes were not yet counted may still turn out to be a bot's. #}
select
    case
        when max(progress.updated_at) > max(busy_minutes.updated_at)
            then max(busy_minutes.updated_at)
        else max(progress.updated_at)
    end as updated_at,
    max(progress.matched_at) as matched_at,
    '{{ identity_rules_version() }}' as rules_version
from progress
cross join busy_minutes
