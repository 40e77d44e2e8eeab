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
