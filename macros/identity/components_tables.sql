{# Tables the materialization `connected_components` works in. #}

{# Writes a select to a temporary table of this session, in place of the last so named. #}
{% macro components_step(name, select) %}
  {#- Two invocations on one warehouse, and two models of one invocation, never share a name. -#}
  {%- set name = this.identifier ~ '__' ~ name ~ '_' ~ invocation_id.replace('-', '')[:12] -%}
  {#- Unqualified: a temporary table belongs to the session, in DuckDB to a catalog of its own. -#}
  {%- set relation = this.incorporate(path={'identifier': name}, type='table').include(
      database=false, schema=false
  ) -%}
  {%- call statement(auto_begin=false) -%}
    create or replace temporary table {{ relation }} as ({{ select }})
  {%- endcall -%}
  {{ return(relation) }}
{% endmacro %}


{# Number of rows. #}
{% macro components_count(relation) %}
  {{ return(run_query('select count(*) as n from ' ~ relation).columns[0].values()[0] | int) }}
{% endmacro %}


{% macro components_drop(relations) %}
  {%- call statement(auto_begin=false) -%}
    drop table {{ relations | join('; drop table ') }}
  {%- endcall -%}
{% endmacro %}
