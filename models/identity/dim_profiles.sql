{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='profile_id',
        post_hook="
            delete from {{ this }}
            where profile_id not in (select profile_id from {{ ref('identity_map') }})
        ",
    )
}}

{% set event_identifiers = ref('event_identifiers') %}
{% set reached_identifiers = ref('int_reached_identifiers') %}

with

{% if is_incremental() %}
reached as (

    select distinct
        identity_map.profile_id,
        identity_map.id_value
    from {{ ref('identity_map') }} as identity_map
    inner join {{ reached_identifiers }} as reached_identifiers
        on identity_map.identifier_id = reached_identifiers.identifier_id

),

reached_events as (

    select event_id from {{ event_identifiers }}
    where id_value in (select reached.id_value from reached)

),
{% endif %}

identity_map as (

    select * from {{ ref('identity_map') }}
    {% if is_incremental() %}
    where profile_id in (select reached.profile_id from reached)
    {% endif %}

),

identifiers as (

    select * from {{ ref('identifiers') }}

),

profile_timeline as (

    select
        profile_id,
        occurred_at
    from {{ ref('profile_timeline') }}
    {% if is_incremental() %}
    where
        profile_id in (select reached.profile_id from reached)
        {# Which events these are is known before their owners are looked up. #}
        and event_id in (select reached_events.event_id from reached_events)
    {% endif %}

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
