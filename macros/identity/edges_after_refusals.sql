{#-
    The edges that `connected_components` resolves again. Each component of `int_reached_components`
    with a refused edge contributes its other edges, and each of its nodes as an edge to itself: a
    node may have lost its last edge. `refusals` names the models that refuse edges, each with
    `edge_id` and `component`.
-#}
{% macro edges_after_refusals(refusals) -%}
with edges as (

    select * from {{ ref('int_reached_edge_guards') }}
    where rule is null

),

components as (

    select * from {{ ref('int_reached_components') }}

),

refused_edges as (
    {% for name in refusals %}
    select
        edge_id,
        component
    from {{ ref(name) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    node as left_node,
    node as right_node
from components
where component in (select refused_edges.component from refused_edges)

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
{%- endmacro %}
