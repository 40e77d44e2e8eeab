{# Writes a model in rounds over the edges that it selects; `steps` are the macros of each step. #}
{% macro components_materialized(steps) %}
  {%- set what = config.get('materialized') | replace('_', ' ') -%}
  {%- set max_rounds = (config.get('meta') or {}).get('max_rounds', 48) -%}
  {%- set rows = components_table('rows') -%}
  {%- set nodes = components_table('nodes') -%}
  {%- set edges = components_table('edges') -%}
  {%- set number_of_nodes = components_count(nodes, [
      components_write(rows, compiled_code),
      components_write(nodes, components_nodes(rows)),
      components_write(edges, steps.edges(rows, nodes)),
      'drop table ' ~ rows
  ]) -%}

  {%- set rounds = [] -%}
  {%- set left = namespace(edges=0) -%}
  {%- for round in range(1, max_rounds + 1) -%}
    {%- set roots = components_table('roots' ~ round) -%}
    {%- set left.edges = components_count(edges ~ ' where left_number <> right_number', [
        components_write(roots, steps.roots(edges, round + 1)),
        components_write(edges, steps.contract(edges, roots))
    ]) -%}
    {%- do rounds.append(roots) -%}
    {%- if left.edges == 0 -%}{%- break -%}{%- endif -%}
  {%- endfor -%}
  {%- if left.edges > 0 -%}
    {{ exceptions.raise_compiler_error(
      'The ' ~ what ~ ' of ' ~ this ~ ' did not converge: ' ~ left.edges
      ~ ' edges left after ' ~ max_rounds ~ ' rounds. Raise `meta.max_rounds` of the model to'
      ~ ' twice the log2 of the number of its nodes, which always suffices.'
    ) }}
  {%- endif -%}
  {%- set took = number_of_nodes ~ ' nodes took ' ~ rounds | length ~ ' rounds' -%}
  {%- do log(this.identifier ~ ': ' ~ what ~ ' of ' ~ took, info=true) -%}

  {#- From here on dbt handles hooks, grants, docs and the swap as for any model. -#}
  {%- set found = steps.found(nodes, rounds) -%}
  {%- do context.update({'compiled_code': found, 'sql': found}) -%}
  {%- set kind = 'incremental' if config.get('unique_key') else 'table' -%}
  {%- set name = 'materialization_' ~ kind ~ '_' -%}
  {%- set write = context.get(name ~ adapter.type()) or context[name ~ 'default'] -%}
  {%- set relations = write() -%}
  {%- do run_query('drop table ' ~ ([nodes, edges] + rounds) | join('; drop table ')) -%}
  {{ return(relations) }}
{% endmacro %}
