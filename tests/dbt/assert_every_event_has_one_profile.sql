{#
    Every counted event with an identifier that is not blocklisted is in the timeline exactly once.
#}
with owners_by_event as (

    select distinct event_identifiers.event_id
    from {{ ref('event_identifiers') }} as event_identifiers
    left join {{ ref('identity_blocked') }} as identity_blocked
        on
            event_identifiers.id_type = identity_blocked.left_type
            and event_identifiers.id_value = identity_blocked.left_value
            and identity_blocked.rule = 'blocklisted'
    where event_identifiers.is_evidence and identity_blocked.rule is null

),

shown_events as (

    select
        event_id,
        count(*) as profile_count
    from {{ ref('profile_timeline') }}
    group by event_id

)

select
    coalesce(owners_by_event.event_id, shown_events.event_id) as event_id,
    coalesce(shown_events.profile_count, 0) as profile_count
from owners_by_event
full outer join shown_events
    on owners_by_event.event_id = shown_events.event_id
where owners_by_event.event_id is null or coalesce(shown_events.profile_count, 0) <> 1
