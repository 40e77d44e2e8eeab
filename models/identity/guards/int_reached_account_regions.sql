{{ config(materialized='account_regions') }}

with edges as (

    select * from {{ ref('int_reached_edge_guards') }}
    where rule is null

),

identifiers as (

    select * from {{ ref('int_reached_identifier_guards') }}
    where is_unique_per_profile

),

components as (

    select * from {{ ref('int_reached_components') }}

),

accounts as (

    select
        components.component,
        identifiers.id_type,
        identifiers.identifier_id
    from identifiers
    inner join components
        on identifiers.identifier_id = components.node
    qualify count(*) over (partition by components.component, identifiers.id_type) > 1

),

contested_components as (

    select distinct
        component,
        id_type as account_type
    from accounts

)

{# Each type of account has its own regions: the type is part of the node. #}
select
    contested_components.account_type || ' ' || edges.left_id as left_node,
    contested_components.account_type || ' ' || edges.right_id as right_node,
    {# An identifier seen with an account was seen with no other. A match has no event. #}
    row_number() over (
        order by
            contested_components.account_type not in (edges.left_type, edges.right_type) asc,
            edges.event_count desc,
            edges.probability desc,
            edges.first_received_at asc,
            edges.left_id asc,
            edges.right_id asc,
            contested_components.account_type asc
    ) as edge_rank
from edges
inner join components
    on edges.left_id = components.node
inner join contested_components
    on components.component = contested_components.component

union all

select
    id_type || ' ' || identifier_id as left_node,
    id_type || ' ' || identifier_id as right_node,
    0 as edge_rank
from accounts
