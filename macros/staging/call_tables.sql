{#-
    The tables of calls in a schema: those with an id, the time of receipt and, except for the five
    with a fixed name, the event. `users`, `accounts` and RudderStack's discards have no event;
    `<table>_view` repeats its table.
-#}
{% macro call_tables(source, place) %}
    {%- set names = place.split('.') -%}
    {%- set database = names[0] if names | length > 1 else target.database -%}
    {%- set query -%}
        select table_name
        from {{ columns_of(database) }}
        where
            lower(table_catalog) = lower('{{ database }}')
            and lower(table_schema) = lower('{{ names[-1] }}')
        group by table_name
        having
            count_if(lower(column_name) = 'id') > 0
            and count_if(lower(column_name) = 'received_at') > 0
            and (
                count_if(lower(column_name) = 'event') > 0
                or lower(table_name) in ('pages', 'screens', 'identifies', 'groups', 'aliases')
            )
        order by table_name
    {%- endset -%}
    {%- set found = run_query(query).columns[0].values() | list -%}
    {%- set tables = [] -%}
    {%- for table in found if not table.lower().endswith('_view') or table[:-5] not in found -%}
        {%- do tables.append(table) -%}
    {%- endfor -%}
    {%- if not tables -%}
        {{ exceptions.raise_compiler_error(
            'The var sources places ' ~ source ~ ' in ' ~ place ~ ', but that schema has no table '
            ~ 'of calls (pages, identifies, ... or one with the columns id, received_at, event). '
            ~ 'Name the schema that ' ~ source ~ ' fills, or landing.'
        ) }}
    {%- endif -%}
    {{ return(tables) }}
{% endmacro %}
