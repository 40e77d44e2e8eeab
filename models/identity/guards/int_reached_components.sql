{{ config(materialized='connected_components') }}

select
    left_id as left_node,
    right_id as right_node
from {{ ref('int_reached_edge_guards') }}
where rule is null

union all

{# An identifier without an edge is its own component. #}
select
    identifier_id as left_node,
    identifier_id as right_node
from {{ ref('int_reached_identifier_guards') }}
where rule is null
