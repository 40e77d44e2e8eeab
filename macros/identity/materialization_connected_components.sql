{#
  Writes the connected components of a graph. The model selects its edges (`left_node`,
  `right_node`, both text); the table holds `node` and `component`, the least node (text order)
  of its connected component. A row with both ends equal, or with one end null, declares a node
  that may have no edge.

  Each round hooks every component to its least neighbour, follows the hooks and contracts the
  edges. Every component with an edge joins at least one other, so a round that follows hooks to
  their ends at least halves the components, and each round follows twice as many as the one
  before: rounds are logarithmic whatever the shape of the graph. See docs/identity.md.

  With `unique_key='node'` the model is incremental: where `components_are_kept()` it selects the
  components it reaches and what is new, and the nodes of these replace their rows.

  `meta.max_rounds` (default 48, enough for 2^24 nodes at the very worst) bounds the rounds; a
  model that needs more fails, and its last table stays.
#}
{% materialization connected_components, default %}
  {%- set max_rounds = (config.get('meta') or {}).get('max_rounds', 48) -%}
  {%- set rows = components_table('rows') -%}
  {%- set nodes = components_table('nodes') -%}
  {%- set edges = components_table('edges') -%}
  {%- set number_of_nodes = components_count(nodes, [
      components_write(rows, compiled_code),
      components_write(nodes, components_nodes(rows)),
      components_write(edges, components_edges(rows, nodes)),
      'drop table ' ~ rows
  ]) -%}

  {%- set rounds = [] -%}
  {%- set left = namespace(edges=0) -%}
  {%- for round in range(1, max_rounds + 1) -%}
    {%- set roots = components_table('roots' ~ round) -%}
    {%- set left.edges = components_count(edges, [
        components_write(roots, components_roots(edges, round + 1)),
        components_write(edges, components_contract(edges, roots))
    ]) -%}
    {%- do rounds.append(roots) -%}
    {%- if left.edges == 0 -%}{%- break -%}{%- endif -%}
  {%- endfor -%}
  {%- if left.edges > 0 -%}
    {{ exceptions.raise_compiler_error(
      'The connected components of ' ~ this ~ ' did not converge: ' ~ left.edges
      ~ ' edges left after ' ~ max_rounds ~ ' rounds. Raise `meta.max_rounds` of the model to'
      ~ ' twice the log2 of the number of its nodes, which always suffices.'
    ) }}
  {%- endif -%}
  {%- set took = number_of_nodes ~ ' nodes took ' ~ rounds | length ~ ' rounds' -%}
  {%- do log(this.identifier ~ ': connected components of ' ~ took, info=true) -%}

  {#- From here on it is a model like any other: hooks, grants, docs and the swap are dbt's own. -#}
  {%- set found = components_found(nodes, rounds) -%}
  {%- do context.update({'compiled_code': found, 'sql': found}) -%}
  {%- set kind = 'incremental' if config.get('unique_key') else 'table' -%}
  {%- set name = 'materialization_' ~ kind ~ '_' -%}
  {%- set write = context.get(name ~ adapter.type()) or context[name ~ 'default'] -%}
  {%- set relations = write() -%}
  {%- do run_query('drop table ' ~ ([nodes, edges] + rounds) | join('; drop table ')) -%}
  {{ return(relations) }}
{% endmaterialization %}
