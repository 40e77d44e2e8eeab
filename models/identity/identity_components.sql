{{ config(materialized='connected_components') }}

with edges as (

    select * from {{ ref('int_edge_guards') }}
    where rule is null

),

components as (

    select * from {{ ref('int_components') }}

),

bridges as (

    select * from {{ ref('int_bridges') }}

)

{# What the bridges did not touch is known already. #}
select
    node as left_node,
    case
        when component in (select bridges.component from bridges) then node
        else component
    end as right_node
from components

union all

select
    edges.left_id as left_node,
    edges.right_id as right_node
from edges
inner join components
    on edges.left_id = components.node
where
    components.component in (select bridges.component from bridges)
    and edges.edge_id not in (select bridges.edge_id from bridges)
