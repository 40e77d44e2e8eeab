{# Every event of a person that carries an identifier not blocklisted is on the timeline, once. #}
with owned as (

    select distinct event_identifiers.event_id
    from {{ ref('event_identifiers') }} as event_identifiers
    left join {{ ref('identity_blocked') }} as identity_blocked
        on
            event_identifiers.id_type = identity_blocked.left_type
            and event_identifiers.id_value = identity_blocked.left_value
            and identity_blocked.rule = 'blocklisted'
    where event_identifiers.is_evidence and identity_blocked.rule is null

),

shown as (

    select
        event_id,
        count(*) as profile_count
    from {{ ref('profile_timeline') }}
    group by event_id

)

select
    coalesce(owned.event_id, shown.event_id) as event_id,
    coalesce(shown.profile_count, 0) as profile_count
from owned
full outer join shown
    on owned.event_id = shown.event_id
where owned.event_id is null or coalesce(shown.profile_count, 0) <> 1
