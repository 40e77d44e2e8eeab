with identity_edges as (

    select * from {{ ref('identity_edges') }}

),

identifiers as (

    select * from {{ ref('int_identifier_guards') }}
    where rule is distinct from 'blocklisted'

),

exclusions as (

    select * from {{ ref('int_exclusions') }}

),

edges as (

    {# An edge to a blocklisted identifier is not refused one by one: it is no edge at all. #}
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
        right_id as account_id,
        first_received_at
    from edges
    where rule is null

    union all

    select
        edge_id,
        right_id,
        left_id,
        first_received_at
    from edges
    where rule is null

),

accounts as (

    select
        ends.edge_id,
        identifiers.id_type || '_of_two_accounts' as rule,
        'stays with ' || first_value(accounts.identifier_id) over (
            partition by ends.identifier_id, accounts.id_type
            order by ends.first_received_at, accounts.id_value
            rows between unbounded preceding and current row
        ) as reason,
        row_number() over (
            partition by ends.identifier_id, accounts.id_type
            order by ends.first_received_at, accounts.id_value
        ) as account_rank
    from ends
    inner join identifiers
        on ends.identifier_id = identifiers.identifier_id
    inner join identifiers as accounts
        on
            ends.account_id = accounts.identifier_id
            and accounts.is_unique_per_profile

),

second_accounts as (

    select
        edge_id,
        min(rule) as rule,
        min(reason) as reason
    from accounts
    where account_rank > 1
    group by edge_id

)

select
    edges.* exclude (rule, reason),
    coalesce(edges.rule, second_accounts.rule) as rule,
    coalesce(edges.reason, second_accounts.reason) as reason
from edges
left join second_accounts
    on edges.edge_id = second_accounts.edge_id
