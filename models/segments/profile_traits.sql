{# The traits are declared in the subfolders of this folder; here they become one scan. #}
{% set plan = seed_rows(ref('tracking_plan'), ['event_name', 'property', 'property_type']) %}

with events as (

    select
        profile_timeline.profile_id,
        profile_timeline.event_id,
        profile_timeline.event_name,
        profile_timeline.occurred_at,
        profile_timeline.source,
        profile_timeline.platform,
        profile_timeline.context,
        profile_timeline.properties,
        data_clock.as_of,
        row_number() over (
            partition by profile_timeline.profile_id
            order by profile_timeline.occurred_at, profile_timeline.event_id
        ) as event_number
    from {{ ref('profile_timeline') }} as profile_timeline
    cross join {{ ref('data_clock') }} as data_clock
    where profile_timeline.occurred_at < data_clock.as_of

),

{{ ordered_events(event_traits(), plan) }}
counters as (

    select
        *
        {{ trait_counters(plan) | indent(8) }}
    from ordered_events

),

aggregates as (

    select
        {{ trait_columns(plan) | indent(8) }}
        profile_id
    from counters
    group by profile_id

)

select
    {{ formula_columns() | indent(4) }}
    *
from aggregates
