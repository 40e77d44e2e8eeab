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
