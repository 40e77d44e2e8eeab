with identifiers as (

    select * from {{ ref('identifiers') }}

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

listed_identifiers as (

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

)

select
    identifier_id,
    min(reason) as reason
from listed_identifiers
group by identifier_id
