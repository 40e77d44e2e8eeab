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
