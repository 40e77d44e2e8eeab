{{
    config(
        materialized='connected_components',
        incremental_strategy='reached',
        unique_key='node',
    )
}}

{% do assert_all_is_reached() %}

with resolved_edges as (

    {{ edges_after_refusals([
        'int_reached_edges_joining_accounts', 'int_reached_edges_joining_excluded',
        'int_reached_edges_over_limit',
    ]) | indent(4) }}

)

select
    left_node,
    right_node
from resolved_edges

union all

{# Components without these refusals are already known. #}
select
    node as left_node,
    component as right_node
from {{ ref('int_reached_components') }}
where node not in (select resolved_edges.left_node from resolved_edges)
