{#
  Writes the regions that grow from the roots of a graph along its strongest edges. The model
  selects the edges (`left_node`, `right_node`, both text, and `edge_rank`, a whole number from 1
  for the strongest on, different for each edge); a row with both ends equal and rank 0 declares a
  root.
  The table holds `node` and `region`, the root that it belongs to.

  It is as if all regions grew together, each step along the strongest of all edges that lead from a
  region to a node of none. That is the spanning forest of the strongest edges in which each tree
  holds one root, and is found in rounds as connected components are: each tree without a root hooks
  to the tree at the other end of its strongest edge. Each root has to be connected with what is to
  belong to a region. See docs/reference/identity.md.
#}
{% materialization account_regions, default %}
  {{ return(components_materialized({
    'edges': regions_edges,
    'roots': regions_roots,
    'contract': regions_contract,
    'found': regions_found,
  })) }}
{% endmaterialization %}
