with identity_map as (

    select * from {{ ref('identity_map') }}

),

identifiers as (

    select * from {{ ref('identifiers') }}

),

profile_timeline as (

    select * from {{ ref('profile_timeline') }}

),

held as (

    {# A device that came back to an account has several intervals there, and counts once. #}
    select distinct
        identity_map.profile_id,
        identifiers.*
    from identity_map
    inner join identifiers
        on identity_map.identifier_id = identifiers.identifier_id

),

ranked as (

    select
        *,
        row_number() over (
            partition by profile_id, id_type
            order by last_received_at desc, id_value asc
        ) as recency_rank
    from held

),

counted as (

    select
        profile_id,
        max(case when id_type = 'user_id' then id_value end) as user_id,
        max(case when id_type = 'email' and recency_rank = 1 then id_value end) as email,
        count(case when id_type = 'anonymous_id' then 1 end) as anonymous_id_count,
        count(*) as identifier_count,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from ranked
    group by profile_id

),

active as (

    select
        profile_id,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at,
        count(*) as event_count
    from profile_timeline
    group by profile_id

)

{# An address may own no event: each one that carries it may say more plainly whose it is. #}
select
    counted.profile_id,
    counted.user_id,
    counted.email,
    counted.anonymous_id_count,
    counted.identifier_count,
    coalesce(active.event_count, 0) as event_count,
    coalesce(active.first_seen_at, counted.first_seen_at) as first_seen_at,
    coalesce(active.last_seen_at, counted.last_seen_at) as last_seen_at
from counted
left join active
    on counted.profile_id = active.profile_id
