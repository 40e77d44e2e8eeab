{#-
    Every source with models, and those that the var `sources` adds. dbt does not know the models of
    a source that is off, and Jinja cannot list the folders of models/staging: a test compares.
-#}
{% macro known_sources() %}
    {{ return([
        'collector', 'ga4', 'hubspot', 'rudderstack', 'salesforce', 'segment', 'snowplow',
        'stripe', 'zendesk',
    ] + checked_var('sources') | list) }}
{% endmacro %}

{#-
    The rows of one table of a source, from landed files or from a loader's table in a schema of the
    warehouse (var `sources`). One select with `landed_file, landed_line, landed_at, record,
    problem, original`, which is empty while nothing has landed or the table does not exist. `table`
    and `loaded_at` are a name or the names that loaders give them; all existing tables are read,
    but only the first existing column.
-#}
{% macro source_rows(
    source,
    table,
    loaded_at=['_fivetran_synced', '_airbyte_extracted_at', '_airbyte_emitted_at', '_dlt_load_id']
) %}
{%- set tables = [table] if table is string else table -%}
{#- In both modes the model has the same place in the graph. -#}
{%- set raw_messages = ref('raw_messages') -%}
{%- set place = checked_var('sources').get(source, 'landing') -%}
{%- if place == 'landing' -%}
select
    landed_file,
    landed_line,
    landed_at,
    record,
    problem,
    original
from {{ raw_messages }}
where
    source = '{{ source }}'
    and table_name in ('{{ tables | join("', '") }}')
{%- else -%}
{%- set selects = [] -%}
{%- for name in tables if execute -%}
    {%- set relation = loaded_relation(place, name) -%}
    {%- if relation -%}
        {%- do selects.append(loaded_rows(source, relation, loaded_at)) -%}
    {%- endif -%}
{%- endfor -%}
{%- if not selects -%}
    {%- do selects.append(no_source_rows()) -%}
{%- endif -%}
{{ selects | join('\nunion all\n') }}
{%- endif -%}
{% endmacro %}

{#-
    The rows of a table that a loader fills, with the columns of `source_rows`. Rows with the same
    load time are one load. Its rows are numbered in the order of their content, separately for each
    load, so that a reader of the newest loads need not number all. Rows without a readable load
    time are one load, at the epoch. Schemas of two databases may have the same name.
-#}
{% macro loaded_rows(source, relation, loaded_at) %}
{%- set columns = adapter.get_columns_in_relation(relation) -%}
{%- set by_name = {} -%}
{%- for column in columns -%}
    {%- do by_name.update({column.name | lower: column}) -%}
{%- endfor -%}
{%- set candidates = [loaded_at] if loaded_at is string else loaded_at -%}
{%- set load_column = by_name.get(candidates | select('in', by_name) | first) -%}
{%- if not load_column -%}
    {{ exceptions.raise_compiler_error(
        'The var sources places ' ~ source ~ ' in ' ~ relation ~ ', but that table has no column '
        ~ candidates | join(' or ') ~ ' for the time of loading. Its columns are: '
        ~ by_name | join(', ') ~ '. Name a schema whose loader writes one.'
    ) }}
{%- endif -%}
{%- set instant = column_instant(load_column) -%}
{%- set load_text = json_text('record', load_column.name | lower) -%}
{%- set names = [relation.schema, relation.identifier] -%}
{%- if relation.database | lower != target.database | lower -%}
    {%- set names = [relation.database] + names -%}
{%- endif -%}
select
    '{{ names | join(".") | lower }}/'
    || coalesce({{ load_text }}, 'unknown') as landed_file,
    row_number() over (partition by landed_at order by cast(record as varchar)) as landed_line,
    landed_at,
    record,
    case
        when {{ load_text }} is null then 'no {{ load_column.name | lower }}'
        when is_undated then '{{ load_column.name | lower }} is not a valid timestamp'
    end as problem,
    cast(null as varchar) as original
from (
    select
        {{ row_object(columns) | indent(8) }} as record,
        coalesce({{ instant }}, timestamp '1970-01-01 00:00:00') as landed_at,
        {{ instant }} is null as is_undated
    from {{ relation }}
) as loads
{% endmacro %}

{#- The table of a loader in a schema, or `<database>.<schema>`; none if it does not exist. -#}
{% macro loaded_relation(place, table) %}
    {%- set names = place.split('.') -%}
    {{ return(adapter.get_relation(
        database=names[0] if names | length > 1 else target.database,
        schema=names[-1],
        identifier=table,
    )) }}
{% endmacro %}

{#- A column of any type as a UTC timestamp; null if it is not a valid timestamp. -#}
{% macro column_instant(column) -%}
    {%- if 'TIMESTAMP' in column.dtype.upper() -%}
        {{ utc_timestamp(column) }}
    {%- else -%}
        {{ try_timestamp('cast(' ~ adapter.quote(column.name) ~ ' as varchar)') }}
    {%- endif -%}
{%- endmacro %}

{#- `source_rows` of a missing table. -#}
{% macro no_source_rows() -%}
select
    cast(null as varchar) as landed_file,
    cast(null as bigint) as landed_line,
    cast(null as timestamp) as landed_at,
    {{ json_object({'id': 'cast(null as varchar)'}) }} as record,
    cast(null as varchar) as problem,
    cast(null as varchar) as original
where false
{%- endmacro %}

{#-
    Rows that landed for a source in a table that no staging model reads, as rows of
    `stg_<source>__events` that end in quarantine, so that nothing landed is lost. Other tables in a
    schema of the warehouse are ignored.
-#}
{% macro unread_rows(source, tables) %}
select
    cast(null as varchar) as event_id,
    cast(null as varchar) as event_name,
    '{{ source }}' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    cast(null as timestamp) as occurred_at,
    cast(null as timestamp) as received_at,
    'server' as platform,
    case when false then record end as context,
    case when false then record end as properties,
    case when false then record end as identifiers,
    landed_file,
    landed_line,
    cast(1 as bigint) as landed_part,
    landed_at,
    {% if checked_var('sources').get(source, 'landing') == 'landing' -%}
    coalesce(
        problem, 'no model reads the table ' || table_name, 'not in the folder of a table'
    ) as problem,
    coalesce(original, cast(record as varchar)) as original
from {{ ref('raw_messages') }}
where
    source = '{{ source }}'
    and coalesce(table_name, '') not in ('{{ tables | join("', '") }}')
    {%- else -%}
    problem,
    original
from ({{ no_source_rows() | indent(4) }}) as no_rows
    {%- endif -%}
{% endmacro %}
