with identifiers as (

    select * from {{ ref('identifiers') }}

),

identity_edges as (

    {# What is declared to be two people is no sign-in of one of them. #}
    select * from {{ ref('identity_edges') }}
    where edge_id not in (select exclusions.edge_id from {{ ref('int_exclusions') }} as exclusions)

),

identifier_rules as (

    select * from {{ ref('identifier_rules') }}

),

identifier_blocklist as (

    select * from {{ ref('identifier_blocklist') }}

),

parts as (

    select
        identifier_id,
        id_type,
        'whole' as part,
        {{ blocklist_text('id_value') }} as part_value
    from identifiers

    union all

    select
        identifier_id,
        id_type,
        'mailbox' as part,
        lower(split_part(id_value, '@', 1)) as part_value
    from identifiers
    where id_type = 'email'

    union all

    select
        identifier_id,
        id_type,
        'domain' as part,
        lower(split_part(id_value, '@', 2)) as part_value
    from identifiers
    where id_type = 'email'

),

blocklist as (

    select
        id_type,
        part,
        case when part = 'whole' then translate(value, '()[]{}<>', '') else value end as part_value,
        reason
    from identifier_blocklist

),

blocklisted as (

    select
        parts.identifier_id,
        min(blocklist.reason) as reason
    from parts
    inner join blocklist
        on
            parts.part = blocklist.part
            and parts.part_value = blocklist.part_value
            and blocklist.id_type in (parts.id_type, '*')
    group by parts.identifier_id

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
