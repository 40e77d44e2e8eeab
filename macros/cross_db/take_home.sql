{#-
    Moves a table with its rows to another schema and name; drops a view, which a build recreates.
-#}
{% macro take_home(relation, home) %}
    {{ return(adapter.dispatch('take_home', 'tideline')(relation, home)) }}
{% endmacro %}

{#-
    DuckDB has no `alter table ... set schema`. dbt has begun a transaction; committing each move
    keeps it if a later one fails.
-#}
{% macro duckdb__take_home(relation, home) %}
    {%- call statement('take_home') -%}
        {%- if not relation.is_view %}
        create table {{ home }} as from {{ relation }};
        {%- endif %}
        drop {{ relation.type }} {{ relation }};
        commit;
        begin
    {%- endcall -%}
{% endmacro %}

{% macro snowflake__take_home(relation, home) %}
    {%- call statement('take_home') -%}
        {%- if relation.is_view %}
        drop view {{ relation }}
        {%- else %}
        alter table {{ relation }} rename to {{ home }}
        {%- endif %}
    {%- endcall -%}
{% endmacro %}
