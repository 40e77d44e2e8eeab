{{
    config(
        materialized='incremental',
        incremental_strategy='reached',
        unique_key="left_type || ':' || left_value",
    )
}}

{% do assert_all_is_reached() %}

with edges as (

    select * from {{ ref('int_reached_edge_guards') }}

),

identifiers as (

    select * from {{ ref('int_reached_identifier_guards') }}

),

refusals as (

    select
        edge_id,
        'bridges_two_accounts' as rule,
        reason
    from {{ ref('int_reached_edges_joining_accounts') }}

    union all

    select
        edge_id,
        'excluded' as rule,
        reason
    from {{ ref('int_reached_edges_joining_excluded') }}

    union all

    select
        edge_id,
        rule,
        reason
    from {{ ref('int_reached_edges_over_limit') }}

)

select
    md5(identifier_id) as blocked_id,
    rule,
    reason,
    id_type as left_type,
    id_value as left_value,
    cast(null as varchar) as right_type,
    cast(null as varchar) as right_value,
    first_received_at,
    last_received_at,
    first_seen_at,
    last_seen_at,
    cast(null as varchar) as sources,
    event_count,
    cast(null as double) as probability
from identifiers
where rule = 'blocklisted'

union all

select
    edges.edge_id as blocked_id,
    coalesce(edges.rule, refusals.rule) as rule,
    coalesce(edges.reason, refusals.reason) as reason,
    edges.left_type,
    edges.left_value,
    edges.right_type,
    edges.right_value,
    edges.first_received_at,
    edges.last_received_at,
    edges.first_seen_at,
    edges.last_seen_at,
    edges.sources,
    edges.event_count,
    edges.probability
from edges
left join refusals
    on edges.edge_id = refusals.edge_id
where edges.rule is not null or refusals.edge_id is not null
