{# Tables the materialization `connected_components` works in. #}

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
