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

{#-
    Drops leftovers of dbt in a DuckDB file: the temporary table of each incremental Python model,
    which dbt-duckdb creates as a permanent one in another schema, and relations that a killed run
    was about to rename or drop. No other build can run, since the file allows one process. A run
    begins and ends with this; `dbt run-operation drop_leftovers` does only this.
-#}
{% macro drop_leftovers() %}
    {%- if execute and target.type == 'duckdb' -%}
        {%- set places = {} -%}
        {%- for node in graph.nodes.values()
            if node.resource_type in ['model', 'seed', 'snapshot'] -%}
            {%- do places.update({(node.alias or node.name) | lower: node.schema | lower}) -%}
        {%- endfor -%}
        {%- set tables = run_query(
            "select table_schema, table_name from system.information_schema.tables "
            ~ "where table_type = 'BASE TABLE' and contains(table_name, '__dbt_') "
            ~ "and table_catalog = '" ~ target.database | replace("'", "''") ~ "'"
        ) -%}
        {%- for schema, name in tables -%}
            {%- set found = modules.re.fullmatch('(.+?)__dbt_(tmp[0-9]{20}|tmp|backup)', name) -%}
            {%- set model = found.group(1) | lower if found else '' -%}
            {#-
                In a schema other than the model's, only a name with a timestamp is certain to be
                dbt's.
            #}
            {%- if model in places
                and (found.group(2) | length > 6 or schema | lower == places[model]) -%}
                {%- do run_query(
                    'drop table if exists "' ~ schema | replace('"', '""') ~ '"."' ~ name ~ '"'
                ) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{#-
    Drops internal tables of earlier versions that no model writes any more. Nothing would forget a
    person in them. A run begins with this.
-#}
{% macro drop_retired_tables() %}
    {%- for name in ['trait_steps'] if execute -%}
        {%- set table = relation_of('trait_readings').incorporate(path={'identifier': name}) -%}
        {%- if load_relation(table) -%}
            {%- do run_query('drop table ' ~ table) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}

{#-
    Creates the table that a load fills on Snowflake, if it is missing: `dbt run-operation
    create_raw_messages`. In DuckDB the model creates it.
-#}
{% macro create_raw_messages() %}
    {%- set relation = relation_of('raw_messages') -%}
    {%- do adapter.create_schema(relation) -%}
    {%- call statement('create_raw_messages') -%}
        create table if not exists {{ relation }} (
            landed_file varchar,
            landed_line bigint,
            landed_at timestamp_ntz(6),
            source varchar default 'collector',
            table_name varchar,
            type varchar,
            event varchar,
            name varchar,
            message_id varchar,
            anonymous_id varchar,
            user_id varchar,
            previous_id varchar,
            group_id varchar,
            sent_timestamp varchar,
            original_timestamp varchar,
            sent_at varchar,
            received_at varchar,
            context variant,
            properties variant,
            traits variant,
            record variant,
            problem varchar,
            original varchar
        )
    {%- endcall -%}
    {%- do log('The table ' ~ relation ~ ' exists and can be loaded.', info=true) -%}
{% endmacro %}
