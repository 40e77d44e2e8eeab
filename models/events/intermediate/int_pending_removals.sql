{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        post_hook="{{ delete_read_removals() }}",
    )
}}

{#
    Before `int_events_deduplicated` deletes the rows of a removed file, everything they affect is
    recorded here, since readers of `updated_at` cannot see a deleted row. On Snowflake a load fills
    `raw_messages`, files are never listed, and this table stays empty.
-#}
{% set landed_files = load_relation(ref('landed_files')) if execute %}
{% set int_events_deduplicated = load_relation(relation_of('int_events_deduplicated')) %}
{% set is_removed -%}
landed_file in (
    select files.landed_file from {{ landed_files }} as files
    where files.removed_at is not null
)
{%- endset %}
{% set has_removed =
    landed_files and int_events_deduplicated
    and has_rows(landed_files, 'removed_at is not null')
    and has_rows(int_events_deduplicated, is_removed)
%}

-- depends_on: {{ ref('landed_files') }}, {{ ref('raw_messages') }}
{% if has_removed %}
with int_events_deduplicated as (

    select
        *,
        date_trunc('minute', occurred_at) as minute_at,
        {{ is_removed | indent(8) }} as is_removed
    from {{ int_events_deduplicated }}

),

removed_rows as (

    select * from int_events_deduplicated
    where is_removed

),

{# A duplicate of a removed row may become the event, in any file. #}
changed_minutes as (

    select
        stream_type,
        stream_id,
        minute_at
    from int_events_deduplicated
    where is_removed or event_id in (select removed_rows.event_id from removed_rows)

),

{# A minute that loses an event may no longer be a burst, which changes all its events. #}
touched_rows as (

    select * from int_events_deduplicated
    where
        is_removed
        or event_id in (select removed_rows.event_id from removed_rows)
        or exists (
            select 1 from changed_minutes
            where
                changed_minutes.stream_type = int_events_deduplicated.stream_type
                and changed_minutes.stream_id = int_events_deduplicated.stream_id
                and changed_minutes.minute_at = int_events_deduplicated.minute_at
        )

),

{#
    Later than anything read so far, and just before the rows of the load that removed the files;
    after them if they were already read.
#}
clock as (

    select
        greatest(
            (select max(removed_at) - interval '1 microsecond' from {{ landed_files }}),
            (select max(updated_at) + interval '1 millisecond' from {{ int_events_deduplicated }})
        ) as removed_at

)

select distinct
    case when touched_rows.is_removed then touched_rows.landed_file end as removed_file,
    touched_rows.source,
    touched_rows.anonymous_id,
    touched_rows.user_id,
    touched_rows.identifiers,
    touched_rows.stream_type,
    touched_rows.stream_id,
    touched_rows.minute_at,
    cast(touched_rows.received_at as date) as received_on,
    cast(touched_rows.landed_at as date) as landed_on,
    clock.removed_at
from touched_rows
cross join clock
{% else %}
select
    cast(null as varchar) as removed_file,
    cast(null as varchar) as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    {{ parse_json_text('null') }} as identifiers,
    cast(null as varchar) as stream_type,
    cast(null as varchar) as stream_id,
    cast(null as timestamp) as minute_at,
    cast(null as date) as received_on,
    cast(null as date) as landed_on,
    cast(null as timestamp) as removed_at
where false
{% endif %}
