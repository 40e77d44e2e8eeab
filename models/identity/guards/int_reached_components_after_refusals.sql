{{ config(materialized='connected_components') }}

with edges as (

    select * from {{ ref('int_reached_edge_guards') }}
    where rule is null

),

components as (

    select * from {{ ref('int_reached_components') }}

),

refusals as (

    select
        edge_id,
        component
    from {{ ref('int_reached_edges_joining_accounts') }}

    union all

    select
        edge_id,
        component
    from {{ ref('int_reached_edges_joining_excluded') }}

)

select
    node as left_node,
    node as right_node
from components
where component in (select refusals.component from refusals)

union all

select
    edges.left_id as left_node,
    edges.right_id as right_node
from edges
inner join components
    on edges.left_id = components.node
where
    components.component in (select refusals.component from refusals)
    and edges.edge_id not in (select refusals.edge_id from refusals)
