{#
  Writes the connected components of a graph. The model selects its edges (`left_node`,
  `right_node`, both text); the table holds `node` and `component`, the lowest node (text order) of
  its connected component. A row with both ends equal, or with one end null, declares a node that
  may have no edge.

  Each round hooks every component to its lowest neighbour, follows the hooks and contracts the
  edges. Every component with an edge joins at least one other, so a round that follows hooks to
  their ends at least halves the components, and each round follows twice as many as the one before:
  the number of rounds is logarithmic for any shape of the graph. See
  docs/reference/identity-resolution.md.

  With `unique_key='node'` the model is incremental: if `components_are_kept()`, it selects the new
  edges and the components that they reach, and the nodes of these replace their rows.

  `meta.max_rounds` (default 48, enough for 2^24 nodes in the worst case) limits the rounds; a model
  that needs more fails, and its last table stays.
#}
{% materialization connected_components, default %}
  {{ return(components_materialized({
    'edges': components_edges,
    'roots': components_roots,
    'contract': components_contract,
    'found': components_found,
  })) }}
{% endmaterialization %}

{#
  Whether a model with `materialized='connected_components', unique_key='node'` adds to its table.
  It then selects, besides new edges, each known component that is reached as a star: `node,
  component` of its rows. A star points to the lowest node, so it gives the same result as all edges
  of the component.
#}
{% macro components_are_kept() %}
  {%- if execute and config.get('unique_key') and not should_full_refresh() -%}
    {%- set relation = adapter.get_relation(this.database, this.schema, this.table) -%}
    {{ return(relation is not none and relation.is_table) }}
  {%- endif -%}
  {{ return(false) }}
{% endmacro %}

{# Both directions of every edge, so that a node's neighbours are the rows with it on the left. #}
{% macro components_edges(rows, nodes) %}
  with edges as (
    select
      left_nodes.number as left_number,
      right_nodes.number as right_number
    from {{ rows }} as ends
    inner join {{ nodes }} as left_nodes on ends.left_node = left_nodes.node
    inner join {{ nodes }} as right_nodes on ends.right_node = right_nodes.node
    where left_nodes.number <> right_nodes.number
  )

  select left_number, right_number from edges
  union all
  select right_number, left_number from edges
{% endmacro %}

{# Every component hooks to its lowest neighbour. #}
{% macro components_roots(edges, doublings) %}
  {% set hooks %}
    select
      left_number as number,
      min(right_number) as parent
    from {{ edges }}
    group by left_number
  {% endset %}
  {{ components_followed(hooks, doublings) }}
{% endmacro %}

{# Edges between the roots, without loops and duplicates. #}
{% macro components_contract(edges, roots) %}
  select distinct
    left_roots.root as left_number,
    right_roots.root as right_number
  from {{ edges }} as edges
  inner join {{ roots }} as left_roots on edges.left_number = left_roots.number
  inner join {{ roots }} as right_roots on edges.right_number = right_roots.number
  where left_roots.root <> right_roots.root
{% endmacro %}

{# Every node with its component, named by the component's lowest node. #}
{% macro components_found(nodes, rounds) %}
  with rooted as ({{ components_rooted(nodes, rounds) }})

  select
    node,
    min(node) over (partition by root) as component
  from rooted
{% endmacro %}
