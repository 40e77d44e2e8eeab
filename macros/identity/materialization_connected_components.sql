{#
  Writes the connected components of a graph. The model selects its edges (`left_node`,
  `right_node`, both text); the table holds `node` and `component`, the least node (text order)
  of its connected component. A row with both ends equal, or with one end null, declares a node
  that may have no edge.

  Each round hooks every component to its least neighbour, follows the hooks to their end and
  contracts the edges. Every component with an edge joins at least one other, so a round at
  least halves their number whatever the shape of the graph; hooks are followed by powers of
  four, so a chain of n nodes costs log n statements too. See docs/identity.md.

  `meta.max_rounds` (default 48, enough for 2^48 nodes) bounds the rounds; a model that needs
  more fails, and its last table stays.
#}
{% materialization connected_components, default %}
  {%- set max_rounds = (config.get('meta') or {}).get('max_rounds', 48) -%}
  {%- set rows = components_step('rows', compiled_code) -%}
  {%- set graph = namespace(
      edges=components_step('edges', components_edges(rows)),
      labels=components_step('labels', components_nodes(rows)),
      rounds=0
  ) -%}
  {%- do components_drop([rows]) -%}

  {%- for round in range(1, max_rounds + 1) -%}
    {%- if components_count(graph.edges) > 0 -%}
      {%- set roots = components_roots(graph.edges, round, max_rounds) -%}
      {%- set relabelled = components_relabel(graph.labels, roots) -%}
      {%- set labels = components_step('labels' ~ round, relabelled) -%}
      {%- set edges = components_step('edges' ~ round, components_contract(graph.edges, roots)) -%}
      {%- do components_drop([graph.labels, graph.edges, roots]) -%}
      {%- set graph.labels = labels -%}
      {%- set graph.edges = edges -%}
      {%- set graph.rounds = round -%}
    {%- endif -%}
  {%- endfor -%}
  {%- do components_assert_none_left(graph.edges, 'true', 'edges', max_rounds) -%}
  {%- set took = ': connected components took ' ~ graph.rounds ~ ' rounds' -%}
  {%- do log(this.identifier ~ took, info=true) -%}

  {#- From here on it is a table like any other: hooks, grants, docs and the swap are dbt's own. -#}
  {%- set found = 'select node, component from ' ~ graph.labels -%}
  {%- do context.update({'compiled_code': found, 'sql': found}) -%}
  {%- set write_table = context.get('materialization_table_' ~ adapter.type()) -%}
  {%- set relations = (write_table or materialization_table_default)() -%}
  {%- do components_drop([graph.labels, graph.edges]) -%}
  {{ return(relations) }}
{% endmaterialization %}
