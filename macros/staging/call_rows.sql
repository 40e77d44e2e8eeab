{#-
    The rows of all tables of calls of Segment or RudderStack: the columns of `source_rows`, and
    `table_name`. The tables depend on the data, since each event has its own. So all landed files
    are read, and in a schema the tables are found by their columns (`call_tables`). A place may be
    a list of schemas, since both trackers fill one for each site and app.
-#}
{% macro call_rows(source, loaded_at) %}
{#- In both modes the model has the same place in the graph. -#}
{%- set raw_messages = ref('raw_messages') -%}
{%- set place = checked_var('sources').get(source, 'landing') -%}
{%- if place == 'landing' -%}
select
    lower(table_name) as table_name,
    landed_file,
    landed_line,
    landed_at,
    record,
    problem,
    original
from {{ raw_messages }}
where source = '{{ source }}'
{%- else -%}
{%- set selects = [] -%}
{%- for schema_name in ([place] if place is string else place) if execute -%}
    {%- for table in call_tables(source, schema_name) -%}
        {%- set rows = loaded_rows(source, loaded_relation(schema_name, table), loaded_at) -%}
        {%- do selects.append(
            "select '" ~ table.lower() ~ "' as table_name, * from (" ~ rows ~ ') as calls'
        ) -%}
    {%- endfor -%}
{%- endfor -%}
{%- if not selects -%}
    {%- do selects.append(
        'select cast(null as varchar) as table_name, * from (' ~ no_source_rows() ~ ') as no_rows'
    ) -%}
{%- endif -%}
{{ selects | join('\nunion all\n') }}
{%- endif -%}
{% endmacro %}

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
