{#
    The incremental strategy `reached`: replaces the rows of the identifiers that this run reached,
    even if there are no new rows. `unique_key` is the SQL of the identifier.
#}
{% macro get_incremental_reached_sql(arguments) %}
    {%- set target, columns = arguments.target_relation, get_quoted_csv(
        arguments.dest_columns | map(attribute='name')
    ) -%}
    {%- set reached = relation_of('int_reached_identifiers') -%}
    {%- set statements -%}
        delete from {{ target }}
        where {{ arguments.unique_key }} in (select identifier_id from {{ reached }});

        insert into {{ target }} ({{ columns }})
        select {{ columns }} from {{ arguments.temp_relation }}
    {%- endset -%}
    {{ return(in_transaction(statements)) }}
{% endmacro %}
