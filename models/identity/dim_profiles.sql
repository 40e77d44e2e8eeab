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

{% set reached_identifiers = ref('int_reached_identifiers') %}

with

{% if is_incremental() %}
reached_profiles as (

    select distinct identity_map.profile_id
    from {{ ref('identity_map') }} as identity_map
    inner join {{ reached_identifiers }} as reached_identifiers
        on identity_map.identifier_id = reached_identifiers.identifier_id

),
{% endif %}

identity_map as (

    select
        *,
        valid_from is null and valid_to is null as is_lasting
    from {{ ref('identity_map') }}
    {% if is_incremental() %}
    where profile_id in (select reached_profiles.profile_id from reached_profiles)
    {% endif %}

),

identifiers as (

    select * from {{ ref('identifiers') }}

),

holdings as (

    {# A device that returned to an account has several intervals there, but counts once. #}
    select distinct
        identity_map.profile_id,
        identifiers.*
    from identity_map
    inner join identifiers
        on identity_map.identifier_id = identifiers.identifier_id

),

ranked_holdings as (

    select
        *,
        row_number() over (
            partition by profile_id, id_type
            order by last_received_at desc, id_value asc
        ) as recency_rank
    from holdings

),

holding_counts as (

    select
        profile_id,
        max(case when id_type = 'user_id' then id_value end) as user_id,
        max(case when id_type = 'email' and recency_rank = 1 then id_value end) as latest_email,
        count(case when id_type = 'anonymous_id' then 1 end) as anonymous_id_count,
        count(*) as identifier_count,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at
    from ranked_holdings
    group by profile_id

),

{# As in the timeline: the identifier with the lowest priority decides the profile of an event. #}
owning as (

    select * from {{ ref('identifier_sets') }}
    where
        event_count > 0
        and identifier_id in (select identity_map.identifier_id from identity_map)
    qualify row_number() over (partition by set_id order by priority, id_type) = 1

),

{# Found by the devices' values, which reads only their events. #}
device_rows as (

    select
        events.identifier_id,
        events.occurred_at,
        {{ identifier_set_id('events') | indent(8) }} as set_id
    from {{ ref('event_identifiers') }} as events
    where
        events.is_evidence
        and events.id_type = 'anonymous_id'
        and events.id_value in (
            select identity_map.id_value from identity_map
            where not identity_map.is_lasting
        )

),

{# Only on a shared device does the profile of an event depend on its time. #}
ownerships as (

    select
        identity_map.profile_id,
        owning.first_seen_at,
        owning.last_seen_at,
        owning.event_count
    from owning
    inner join identity_map
        on owning.identifier_id = identity_map.identifier_id
    where identity_map.is_lasting

    union all

    select
        identity_map.profile_id,
        device_rows.occurred_at as first_seen_at,
        device_rows.occurred_at as last_seen_at,
        1 as event_count
    from device_rows
    inner join owning
        on
            device_rows.set_id = owning.set_id
            and device_rows.identifier_id = owning.identifier_id
    inner join identity_map
        on
            device_rows.identifier_id = identity_map.identifier_id
            and (
                identity_map.valid_from is null
                or identity_map.valid_from <= device_rows.occurred_at
            )
            and (identity_map.valid_to is null or identity_map.valid_to > device_rows.occurred_at)

),

activity as (

    select
        profile_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        cast(sum(event_count) as bigint) as event_count
    from ownerships
    group by profile_id

)

{# An address may have no events: each event with it may carry an identifier of higher rank. #}
select
    holding_counts.profile_id,
    holding_counts.user_id,
    holding_counts.latest_email,
    holding_counts.anonymous_id_count,
    holding_counts.identifier_count,
    coalesce(activity.event_count, 0) as event_count,
    coalesce(activity.first_seen_at, holding_counts.first_seen_at) as first_seen_at,
    coalesce(activity.last_seen_at, holding_counts.last_seen_at) as last_seen_at
from holding_counts
left join activity
    on holding_counts.profile_id = activity.profile_id
