{{ config(materialized='view') }}

with fct_events as (

    select * from {{ ref('fct_events') }}

),

event_identifiers as (

    select * from {{ ref('event_identifiers') }}
    where is_evidence

),

identity_map as (

    select * from {{ ref('identity_map') }}

),

owners as (

    {# The account an event carries says whose it is; else the cookie, else the address. #}
    select
        event_identifiers.event_id,
        min_by(identity_map.profile_id, event_identifiers.priority) as profile_id
    from event_identifiers
    inner join identity_map
        on
            event_identifiers.identifier_id = identity_map.identifier_id
            and (
                identity_map.valid_from is null
                or identity_map.valid_from <= event_identifiers.occurred_at
            )
            and (
                identity_map.valid_to is null
                or identity_map.valid_to > event_identifiers.occurred_at
            )
    group by event_identifiers.event_id

)

select
    fct_events.*,
    owners.profile_id
from fct_events
inner join owners
    on fct_events.event_id = owners.event_id
