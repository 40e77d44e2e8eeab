{#
  Writes the regions that grow from the roots of a graph along its strongest edges. The model
  selects the edges (`left_node`, `right_node`, both text, and `edge_rank`, a whole number from 1
  for the strongest, different for each edge); a row with both ends equal and rank 0 declares a
  root. The table holds `node` and `region`, its root.

  All regions grow together: each step takes the strongest edge from a region to a node without a
  region. The result is the spanning forest of the strongest edges in which each tree has one root.
  It is found in rounds, like connected components: each tree without a root hooks to the tree at
  the other end of its strongest edge. Every node must be connected to a root. See
  docs/reference/identity.md.
#}
{% materialization account_regions, default %}
  {{ return(components_materialized({
    'edges': regions_edges,
    'roots': regions_roots,
    'contract': regions_contract,
    'found': regions_found,
  })) }}
{% endmaterialization %}

{# Both directions of every edge, with its rank. #}
{% macro regions_edges(rows, nodes) %}
  with numbered as (
    select
      left_nodes.number as left_number,
      right_nodes.number as right_number,
      ends.edge_rank
    from {{ rows }} as ends
    inner join {{ nodes }} as left_nodes on ends.left_node = left_nodes.node
    inner join {{ nodes }} as right_nodes on ends.right_node = right_nodes.node
  ),

  edges as (
    select left_number, right_number, edge_rank from numbered
    union all
    select right_number, left_number, edge_rank from numbered
  )

  {{ regions_strongest('edges') }}
{% endmacro %}

{#
    Every tree hooks to the other end of its strongest edge; for a tree with a root, that is its
    loop.
#}
{% macro regions_roots(edges, doublings) %}
  {% set hooks %}
    select
      left_number as number,
      right_number as parent
    from {{ edges }}
    qualify row_number() over (partition by left_number order by edge_rank) = 1
  {% endset %}
  {{ components_followed(hooks, doublings) }}
{% endmacro %}

{# Edges between the trees. #}
{% macro regions_contract(edges, roots) %}
  with contracted as (
    select
      left_roots.root as left_number,
      right_roots.root as right_number,
      edges.edge_rank
    from {{ edges }} as edges
    inner join {{ roots }} as left_roots on edges.left_number = left_roots.number
    inner join {{ roots }} as right_roots on edges.right_number = right_roots.number
  )

  {{ regions_strongest('contracted') }}
{% endmacro %}

{#
    The strongest of the edges between two trees; for a root, which hooks to nothing, only its loop.
#}
{% macro regions_strongest(edges) %}
  select
    left_number,
    right_number,
    min(edge_rank) as edge_rank
  from {{ edges }}
  where
    edge_rank = 0
    or (
      left_number <> right_number
      and left_number not in (select left_number from {{ edges }} where edge_rank = 0)
    )
  group by left_number, right_number
{% endmacro %}

{# Every node with the root of its tree. #}
{% macro regions_found(nodes, rounds) %}
  with rooted as ({{ components_rooted(nodes, rounds) }})

  select
    rooted.node,
    roots.node as region
  from rooted
  inner join {{ nodes }} as roots on rooted.root = roots.number
{% endmacro %}
