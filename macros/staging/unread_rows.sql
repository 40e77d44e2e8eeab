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
