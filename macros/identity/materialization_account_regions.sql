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
