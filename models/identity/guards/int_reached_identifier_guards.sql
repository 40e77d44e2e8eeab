with reached_identifiers as (

    select * from {{ ref('int_reached_identifiers') }}

),

identifiers as (

    select * from {{ ref('identifiers') }}
    where identifier_id in (select reached_identifiers.identifier_id from reached_identifiers)

),

identity_edges as (

    {# Identifiers declared as two people are not sign-ins of one of them. #}
    select * from {{ ref('identity_edges') }}
    where
        left_id in (select reached_identifiers.identifier_id from reached_identifiers)
        and edge_id not in (
            select exclusions.edge_id from {{ ref('int_exclusions') }} as exclusions
        )

),

identifier_rules as (

    select * from {{ ref('identifier_rules') }}

),

blocklist as (

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
        and right_id not in (select blocklist.identifier_id from blocklist)
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
        when blocklist.identifier_id is not null then 'blocklisted'
        when shared_devices.identifier_id is not null then 'shared_device'
    end as rule,
    coalesce(blocklist.reason, shared_devices.reason) as reason
from identifiers
inner join identifier_rules
    on identifiers.id_type = identifier_rules.id_type
left join blocklist
    on identifiers.identifier_id = blocklist.identifier_id
left join shared_devices
    on identifiers.identifier_id = shared_devices.identifier_id
