{#- Stops a run on a DuckDB file with the name of its schema, since it cannot hold views. -#}
{% macro checked_warehouse_name() %}
    {%- if execute and target.type == 'duckdb' and target.database == target.schema -%}
        {{ exceptions.raise_compiler_error(
            'TIDELINE_WAREHOUSE is a file named ' ~ target.database ~ '.duckdb, the same as its '
            ~ 'schema: DuckDB cannot tell the two apart in a view. Use another file name, such '
            ~ 'as warehouse/warehouse.duckdb.'
        ) }}
    {%- endif -%}
{% endmacro %}
