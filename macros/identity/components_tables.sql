{# Tables the materialization `connected_components` works in. #}

{# Writes a select to a temporary table of this session, in place of the last so named. #}
{% macro components_step(name, select) %}
  {#- Two invocations on one warehouse, and two models of one invocation, never share a name. -#}
  {%- set name = this.identifier ~ '__' ~ name ~ '_' ~ invocation_id.replace('-', '')[:12] -%}
  {#- Unqualified: a temporary table belongs to the session, in DuckDB to a catalog of its own. -#}
  {%- set relation = this.incorporate(path={'identifier': name}, type='table').include(
      database=false, schema=false
  ) -%}
  {%- do run_query('create or replace temporary table ' ~ relation ~ ' as (' ~ select ~ ')') -%}
  {{ return(relation) }}
{% endmacro %}


{# Number of rows. #}
{% macro components_count(relation) %}
  {{ return(run_query('select count(*) as n from ' ~ relation).columns[0].values()[0] | int) }}
{% endmacro %}


{% macro components_drop(relations) %}
  {%- do run_query('drop table ' ~ relations | join('; drop table ')) -%}
{% endmacro %}
