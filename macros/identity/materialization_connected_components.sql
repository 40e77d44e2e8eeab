{#
  Writes the connected components of a graph. The model selects its edges (`left_node` and
  `right_node`, both text, and `updated_at`); the table holds `node`, `component`, the least node
  (text order) of its connected component, and `updated_at`, the greatest of the rows with the node
  on the left. A row with both ends equal, or with one end null, declares a node that may have no
  edge.

  Each round hooks every component to its least neighbour, follows the hooks to their end and
  contracts the edges. Every component with an edge joins at least one other, so a round at
  least halves their number whatever the shape of the graph; hooks are followed by powers of
  four, so a chain of n nodes costs log n statements too. See docs/identity.md.

  With `unique_key='node'` the model is incremental: where `components_are_kept()` it selects the
  components it reaches and what is new, and the nodes of these replace their rows.

  `meta.max_rounds` (default 48, enough for 2^48 nodes) bounds the rounds; a model that needs
  more fails, and its last table stays.
#}
{% materialization connected_components, default %}
  {%- set max_rounds = (config.get('meta') or {}).get('max_rounds', 48) -%}
  {%- set rows = components_step('rows', compiled_code) -%}
  {%- set nodes = components_step('nodes', components_nodes(rows)) -%}
  {%- set edges = components_step('edges', components_edges(rows, nodes)) -%}
  {%- set rounds = [] -%}
  {%- set left = namespace(edges=components_count(edges)) -%}

  {%- for round in range(1, max_rounds + 1) -%}
    {%- if left.edges == 0 -%}{%- break -%}{%- endif -%}
    {%- set roots = components_step('roots' ~ round, components_roots(edges, round + 1)) -%}
    {%- do components_step('edges', components_contract(edges, roots)) -%}
    {%- do rounds.append(roots) -%}
    {%- set left.edges = components_count(edges) -%}
  {%- endfor -%}
  {%- if left.edges > 0 -%}
    {{ exceptions.raise_compiler_error(
      'The connected components of ' ~ this ~ ' did not converge: ' ~ left.edges
      ~ ' edges left after ' ~ max_rounds ~ ' rounds. Raise `meta.max_rounds` of the model to'
      ~ ' twice the log2 of the number of its nodes, which always suffices.'
    ) }}
  {%- endif -%}
  {%- set took = ' nodes took ' ~ rounds | length ~ ' rounds' -%}
  {%- do log(
    this.identifier ~ ': connected components of ' ~ components_count(nodes) ~ took, info=true
  ) -%}

  {#- From here on it is a model like any other: hooks, grants, docs and the swap are dbt's own. -#}
  {%- set found = components_found(nodes, rounds) -%}
  {%- do context.update({'compiled_code': found, 'sql': found}) -%}
  {%- set kind = 'incremental' if config.get('unique_key') else 'table' -%}
  {%- set name = 'materialization_' ~ kind ~ '_' -%}
  {%- set write = context.get(name ~ adapter.type()) or context[name ~ 'default'] -%}
  {%- set relations = write() -%}
  {%- do components_drop([rows, nodes, edges] + rounds) -%}
  {{ return(relations) }}
{% endmaterialization %}
