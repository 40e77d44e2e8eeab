{#- The table of a loader in a schema, or `<database>.<schema>`; none if it does not exist. -#}
{% macro loaded_relation(place, table) %}
    {%- set names = place.split('.') -%}
    {{ return(adapter.get_relation(
        database=names[0] if names | length > 1 else target.database,
        schema=names[-1],
        identifier=table,
    )) }}
{% endmacro %}
