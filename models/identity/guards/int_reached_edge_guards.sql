with identity_edges as (

    select * from {{ ref('identity_edges') }}
    where
        left_id in (
            select reached.identifier_id from {{ ref('int_reached_identifiers') }} as reached
        )

),

identifiers as (

    select * from {{ ref('int_reached_identifier_guards') }}
    where rule is distinct from 'blocklisted'

),

exclusions as (

    select * from {{ ref('int_exclusions') }}

),

identifier_rules as (

    select * from {{ ref('identifier_rules') }}

),

identifier_limits as (

    select * from {{ ref('identifier_limits') }}

),

edges as (

    {# Edges to blocklisted identifiers are not refused one by one, but left out here. #}
    select
        identity_edges.*,
        case
            when exclusions.edge_id is not null then 'excluded'
            else coalesce(lefts.rule, rights.rule)
        end as rule,
        coalesce(exclusions.reason, lefts.reason, rights.reason) as reason
    from identity_edges
    left join exclusions
        on identity_edges.edge_id = exclusions.edge_id
    inner join identifiers as lefts
        on identity_edges.left_id = lefts.identifier_id
    inner join identifiers as rights
        on identity_edges.right_id = rights.identifier_id

),

ends as (

    select
        edge_id,
        left_id as identifier_id,
        left_type as id_type,
        right_id as neighbour_id,
        right_type as neighbour_type,
        probability is not null as is_match,
        first_received_at
    from edges
    where rule is null

    union all

    select
        edge_id,
        right_id as identifier_id,
        right_type as id_type,
        left_id as neighbour_id,
        left_type as neighbour_type,
        probability is not null as is_match,
        first_received_at
    from edges
    where rule is null

),

account_types as (

    select id_type from identifier_rules
    where is_unique_per_profile

),

accounts as (

    {# Seen edges come before matches. #}
    select
        edge_id,
        id_type || '_of_two_accounts' as rule,
        'stays with ' || first_value(neighbour_id) over (
            partition by identifier_id, neighbour_type
            order by is_match, first_received_at, neighbour_id
            rows between unbounded preceding and current row
        ) as reason,
        row_number() over (
            partition by identifier_id, neighbour_type
            order by is_match, first_received_at, neighbour_id
        ) as account_rank
    from ends
    where neighbour_type in (select account_types.id_type from account_types)

),

crowds as (

    {# An identifier seen with more of a type than a person has is evidence for none of them. #}
    select
        ends.identifier_id,
        ends.neighbour_type,
        'the ' || ends.id_type || ' was seen with ' || cast(count(*) as varchar) || ' of '
        || ends.neighbour_type as reason
    from ends
    inner join identifier_limits
        on ends.neighbour_type = identifier_limits.id_type
    where
        ends.id_type not in (select account_types.id_type from account_types)
        and ends.neighbour_type not in (select account_types.id_type from account_types)
    group by
        ends.identifier_id, ends.id_type, ends.neighbour_type, identifier_limits.max_per_profile
    having count(*) > identifier_limits.max_per_profile

),

claims as (

    select
        edge_id,
        rule,
        reason
    from accounts
    where account_rank > 1

    union all

    select
        ends.edge_id,
        'shared_by_many' as rule,
        crowds.reason
    from ends
    inner join crowds
        on
            ends.identifier_id = crowds.identifier_id
            and ends.neighbour_type = crowds.neighbour_type

),

refusals as (

    {# An edge may be refused at either end. #}
    select
        edge_id,
        min(rule) as rule,
        min(reason) as reason
    from claims
    group by edge_id

)

select
    edges.* exclude (rule, reason),
    coalesce(edges.rule, refusals.rule) as rule,
    coalesce(edges.reason, refusals.reason) as reason
from edges
left join refusals
    on edges.edge_id = refusals.edge_id
