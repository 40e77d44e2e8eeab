{{ config(materialized='connected_components') }}

with edges as (

    select * from {{ ref('int_reached_edge_guards') }}
    where
        rule is null
        and edge_id not in (
            select bridges.edge_id
            from {{ ref('int_reached_edges_joining_accounts') }} as bridges
        )

),

exclusions as (

    select * from {{ ref('int_exclusions') }}
    where left_id < right_id

),

components as (

    select * from {{ ref('int_reached_components') }}

),

contested_pairs as (

    select
        exclusions.*,
        lefts.component
    from exclusions
    inner join components as lefts
        on exclusions.left_id = lefts.node
    inner join components as rights
        on
            exclusions.right_id = rights.node
            and lefts.component = rights.component

)

{# Each pair has its own components: the pair is part of the node. #}
select
    md5(contested_pairs.exclusion_id || edges.left_id) as left_node,
    md5(contested_pairs.exclusion_id || edges.right_id) as right_node
from contested_pairs
inner join components
    on contested_pairs.component = components.component
inner join edges
    on components.node = edges.left_id
where
    edges.left_id not in (contested_pairs.left_id, contested_pairs.right_id)
    and edges.right_id not in (contested_pairs.left_id, contested_pairs.right_id)

union all

select
    md5(contested_pairs.exclusion_id || components.node) as left_node,
    null as right_node
from contested_pairs
inner join components
    on contested_pairs.component = components.component
where components.node not in (contested_pairs.left_id, contested_pairs.right_id)
