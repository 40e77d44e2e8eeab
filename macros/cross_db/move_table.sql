{#- Moves a table with its rows to another schema, perhaps under another name. -#}
{% macro move_table(from_table, to_table) %}
    {{ return(adapter.dispatch('move_table', 'tideline')(from_table, to_table)) }}
{% endmacro %}

{#- DuckDB has no `alter table ... set schema`. -#}
{% macro duckdb__move_table(from_table, to_table) %}
    {%- call statement('move_table') -%}
        begin;
        create table {{ to_table }} as from {{ from_table }};
        drop table {{ from_table }};
        commit
    {%- endcall -%}
{% endmacro %}

{% macro snowflake__move_table(from_table, to_table) %}
    {%- call statement('move_table') -%}
        alter table {{ from_table }} rename to {{ to_table }}
    {%- endcall -%}
{% endmacro %}
