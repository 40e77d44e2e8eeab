with reached as (

    select * from {{ ref('int_reached_identifiers') }}

),

identifiers as (

    select * from {{ ref('identifiers') }}
    where identifier_id in (select reached.identifier_id from reached)

),

identity_edges as (

    {# What is declared to be two people is no sign-in of one of them. #}
    select * from {{ ref('identity_edges') }}
    where
        left_id in (select reached.identifier_id from reached)
        and edge_id not in (
            select exclusions.edge_id from {{ ref('int_exclusions') }} as exclusions
        )

),

identifier_rules as (

    select * from {{ ref('identifier_rules') }}

),

blocklisted as (

    select * from {{ ref('int_blocklisted_identifiers') }}

),

shared_devices as (

    select
        left_id as identifier_id,
        'signed in to ' || cast(count(*) as varchar) || ' accounts' as reason
    from identity_edges
    where
        left_type = 'anonymous_id'
        and right_type = 'user_id'
        and right_id not in (select blocklisted.identifier_id from blocklisted)
    group by left_id
    having count(*) > 1

)

select
    identifiers.identifier_id,
    identifiers.id_type,
    identifiers.id_value,
    identifier_rules.priority,
    identifier_rules.is_unique_per_profile,
    identifiers.first_received_at,
    identifiers.last_received_at,
    identifiers.first_seen_at,
    identifiers.last_seen_at,
    identifiers.event_count,
    case
        when blocklisted.identifier_id is not null then 'blocklisted'
        when shared_devices.identifier_id is not null then 'shared_device'
    end as rule,
    coalesce(blocklisted.reason, shared_devices.reason) as reason
from identifiers
inner join identifier_rules
    on identifiers.id_type = identifier_rules.id_type
left join blocklisted
    on identifiers.identifier_id = blocklisted.identifier_id
left join shared_devices
    on identifiers.identifier_id = shared_devices.identifier_id
