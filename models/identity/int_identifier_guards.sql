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
        identifier_blocklist.id_type,
        identifier_blocklist.part,
        case
            when identifier_blocklist.part = 'whole'
                then translate({{ normalized_identifier(
                    'identifier_blocklist.value',
                    'false',
                    'coalesce(identifier_rules.is_gmail_folded, false)',
                ) | indent(16) }}, '()[]{}<>', '')
            else identifier_blocklist.value
        end as part_value,
        identifier_blocklist.reason
    from identifier_blocklist
    left join identifier_rules
        on identifier_blocklist.id_type = identifier_rules.id_type

),

listed as (

    select
        parts.identifier_id,
        blocklist.reason
    from parts
    inner join blocklist
        on
            parts.part = blocklist.part
            and parts.part_value = blocklist.part_value
            and blocklist.id_type in (parts.id_type, '*')

    {% for row in blocklist_patterns(ref('identifier_blocklist')) %}
    union all

    select
        identifier_id,
        {{ dbt.string_literal(dbt.escape_single_quotes(row.reason)) }} as reason
    from identifiers
    where
        {{ dbt.string_literal(row.id_type) }} in (id_type, '*')
        and {{ matches_whole('lower(id_value)', row.pattern) }}
    {% endfor %}

),

blocklisted as (

    select
        identifier_id,
        min(reason) as reason
    from listed
    group by identifier_id

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
