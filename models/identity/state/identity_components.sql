{{
    config(
        materialized='connected_components',
        incremental_strategy='reached',
        unique_key='node',
    )
}}

{% do assert_all_is_reached() %}

with edges as (

    select * from {{ ref('int_reached_edge_guards') }}
    where rule is null

),

components as (

    select * from {{ ref('int_reached_components') }}

),

refused_edges as (

    select
        edge_id,
        component
    from {{ ref('int_reached_edges_joining_accounts') }}

    union all

    select
        edge_id,
        component
    from {{ ref('int_reached_edges_joining_excluded') }}

    union all

    select
        edge_id,
        component
    from {{ ref('int_reached_edges_over_limit') }}

)

{# Components without these refusals are already known. #}
select
    node as left_node,
    case
        when component in (select refused_edges.component from refused_edges) then node
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
    components.component in (select refused_edges.component from refused_edges)
    and edges.edge_id not in (select refused_edges.edge_id from refused_edges)
