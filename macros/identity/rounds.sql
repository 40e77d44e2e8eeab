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

{# Every node with a number. Random order makes paths along lowest neighbours short. #}
{% macro components_nodes(rows) %}
  with nodes as (
    select left_node as node from {{ rows }}
    union
    select right_node from {{ rows }}
  )

  select
    node,
    row_number() over (order by hash(node)) as number
  from nodes
  where node is not null
{% endmacro %}

{#
  2^doublings hooks are followed. The only cycles are pairs (among lowest neighbours, every second
  is not greater than the one two before); the lower of a pair becomes the root. An end that is not
  yet the root still represents everything that leads to it: a later round continues from it.
#}
{% macro components_followed(hooks, doublings) %}
  with hooks as ({{ hooks }}),

  followed_1 as (
    select
      hooks.number,
      case
        when parents.parent = hooks.number then least(hooks.number, hooks.parent)
        else parents.parent
      end as parent
    from hooks
    inner join hooks as parents on hooks.parent = parents.number
  )
  {%- for doubling in range(1, doublings) %},

  followed_{{ doubling + 1 }} as (
    select
      followed.number,
      parents.parent
    from followed_{{ doubling }} as followed
    inner join followed_{{ doubling }} as parents on followed.parent = parents.number
  )
  {%- endfor %}

  select number, parent as root from followed_{{ doublings }}
{% endmacro %}

{# Every node with its root after all rounds. #}
{% macro components_rooted(nodes, rounds) %}
  select
    nodes.node,
    coalesce(
      {%- for round in range(rounds | length, 0, -1) %} roots_{{ round }}.root,{% endfor %}
      nodes.number
    ) as root
  from {{ nodes }} as nodes
  {%- for roots in rounds %}
  left join {{ roots }} as roots_{{ loop.index }}
    on {{ 'nodes.number' if loop.first else 'roots_' ~ loop.index0 ~ '.root' }}
      = roots_{{ loop.index }}.number
  {%- endfor %}
{% endmacro %}

{# A temporary table of this session. #}
{% macro components_table(name) %}
  {#- Two invocations on one warehouse, or two models of one invocation, never share a name. -#}
  {%- set name = this.identifier ~ '__' ~ name ~ '_' ~ invocation_id.replace('-', '')[:12] -%}
  {#-
      Unqualified, because a temporary table belongs to the session; in DuckDB, to a separate
      catalog.
  -#}
  {%- set table = this.incorporate(path={'identifier': name}, type='table') -%}
  {{ return(table.include(database=false, schema=false)) }}
{% endmacro %}

{% macro components_write(table, select) %}
  create or replace temporary table {{ table }} as ({{ select }})
{% endmacro %}

{#
    Number of rows after these statements. One call, since a call costs dbt more than a small table.
#}
{% macro components_count(table, statements=[]) %}
  {%- set count = 'select count(*) as n from ' ~ table -%}
  {{ return(run_query((statements + [count]) | join(';')).columns[0].values()[0] | int) }}
{% endmacro %}
