{# Tables the materialization `connected_components` works in. #}

{# Writes a select to a temporary table of this session; returns the relation. #}
{% macro components_step(name, select) %}
  {#- Two invocations on one warehouse, and two models of one invocation, never share a name. -#}
  {%- set suffix = '__' ~ name ~ '_' ~ invocation_id.replace('-', '')[:12] -%}
  {#- Unqualified: a temporary table belongs to the session, in DuckDB to a catalog of its own. -#}
  {%- set relation = make_temp_relation(this.incorporate(type='table'), suffix).include(
      database=false, schema=false
  ) -%}
  {%- do run_query('create temporary table ' ~ relation ~ ' as (' ~ select ~ ')') -%}
  {{ return(relation) }}
{% endmacro %}


{# The hooks of a round, followed to their ends: every node of the edges with its root. #}
{% macro components_roots(edges, round, max_rounds) %}
  {%- set name = 'hooks' ~ round ~ '_' -%}
  {%- set hooks = namespace(table=components_step(name, components_hook(edges))) -%}
  {%- for jump in range(max_rounds) -%}
    {%- if components_count(hooks.table, 'is_moved') > 0 -%}
      {%- set jumped = components_step(name ~ jump, components_jump(hooks.table)) -%}
      {%- do components_drop([hooks.table]) -%}
      {%- set hooks.table = jumped -%}
    {%- endif -%}
  {%- endfor -%}
  {%- do components_assert_none_left(hooks.table, 'is_moved', 'hooks', max_rounds) -%}
  {{ return(hooks.table) }}
{% endmacro %}


{# Number of rows that meet the condition. #}
{% macro components_count(relation, condition='true') %}
  {%- set counted = run_query('select count(*) as n from ' ~ relation ~ ' where ' ~ condition) -%}
  {{ return(counted.columns[0].values()[0] | int) }}
{% endmacro %}


{% macro components_drop(relations) %}
  {%- for relation in relations -%}
    {%- do run_query('drop table if exists ' ~ relation) -%}
  {%- endfor -%}
{% endmacro %}


{% macro components_assert_none_left(relation, condition, what, max_rounds) %}
  {%- set left = components_count(relation, condition) -%}
  {%- if left > 0 -%}
    {{ exceptions.raise_compiler_error(
      'The connected components of ' ~ this ~ ' did not converge: ' ~ left ~ ' ' ~ what
      ~ ' left after ' ~ max_rounds ~ ' rounds. A round at least halves the components that '
      ~ 'have edges, so raise `meta.max_rounds` of the model to log2 of the number of its nodes.'
    ) }}
  {%- endif -%}
{% endmacro %}
