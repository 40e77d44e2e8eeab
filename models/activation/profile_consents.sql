{# The latest statement counts; if two have the same timestamp, the refusal does. #}
with statements as (

    select
        profile_timeline.profile_id,
        profile_timeline.event_id,
        profile_timeline.occurred_at,
        {{ json_text('profile_timeline.properties', 'purpose') }} as purpose,
        coalesce(
            lower({{ json_text('profile_timeline.properties', 'is_granted') }}) = 'true', false
        ) as is_granted
    from {{ ref('profile_timeline') }} as profile_timeline
    cross join {{ ref('data_clock') }} as data_clock
    where
        profile_timeline.event_name = 'consent_change'
        and profile_timeline.occurred_at < data_clock.as_of

)

select
    profile_id,
    purpose,
    is_granted,
    occurred_at as stated_at
from statements
qualify
    row_number() over (
        partition by profile_id, purpose
        order by occurred_at desc, is_granted asc, event_id asc
    ) = 1
