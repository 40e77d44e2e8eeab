{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['stream_type', 'stream_id', 'minute_at'],
        post_hook='delete from {{ this }} where event_count is null',
    )
}}

{% set allowed = events_per_minute(ref('traffic_rules')) %}

{% set removals = ref('int_pending_removals') %}

{% if is_incremental() %}
{% set touched_minutes %}
    select distinct
        stream_type,
        stream_id,
        date_trunc('minute', occurred_at) as minute_at
    from {{ ref('int_events_deduplicated') }}
    where
        stream_id is not null
        and updated_at > {{ arrival_watermark('updated_at') }}
    union distinct
    select
        stream_type,
        stream_id,
        minute_at
    from {{ removals }}
    where
        stream_id is not null
        and removed_at > {{ arrival_watermark('updated_at') }}
{% endset %}
{% endif %}

{#
    Duplicates also make a minute busy, since new arrivals never make them fewer. So a minute whose
    events turned out to be duplicates keeps its row, which says that it is no longer a burst.
    Forgotten events count too, since they keep their minute until `make forget` purges them.
#}
with arrivals as (

    select
        stream_type,
        stream_id,
        date_trunc('minute', occurred_at) as minute_at,
        status,
        updated_at
    from {{ ref('int_events_deduplicated') }}
    where
        stream_id is not null
        and (status <> 'quarantined' or reason = 'forgotten')
    {% if is_incremental() %}
        and {{ within(
            'occurred_at', touched_minutes, 'minute_at', "minute_at + interval '1 minute'"
        ) | indent(8) }}
    {% endif %}

),

{% if is_incremental() %}
minutes_to_count as (

    {{ touched_minutes }}

),
{% endif %}

counts as (

    select
        stream_type,
        stream_id,
        minute_at,
        cast(count_if(status = 'valid') as bigint) as event_count,
        max(updated_at) as updated_at
    from arrivals
    {% if is_incremental() %}
    where
        exists (
            select 1 from minutes_to_count
            where
                minutes_to_count.stream_type = arrivals.stream_type
                and minutes_to_count.stream_id = arrivals.stream_id
                and minutes_to_count.minute_at = arrivals.minute_at
        )
    {% endif %}
    group by stream_type, stream_id, minute_at
    having count(*) > {{ allowed }}

)

select
    stream_type,
    stream_id,
    minute_at,
    event_count,
    event_count > {{ allowed }} as is_burst,
    updated_at
from counts

{% if is_incremental() and has_rows(removals, 'true') %}
union all

{# A minute whose rows were removed is replaced by an empty row, which the post hook deletes. #}
select
    stream_type,
    stream_id,
    minute_at,
    null as event_count,
    false as is_burst,
    updated_at
from {{ this }} as known
where
    exists (
        select 1 from minutes_to_count
        where
            minutes_to_count.stream_type = known.stream_type
            and minutes_to_count.stream_id = known.stream_id
            and minutes_to_count.minute_at = known.minute_at
    )
    and not exists (
        select 1 from counts
        where
            counts.stream_type = known.stream_type
            and counts.stream_id = known.stream_id
            and counts.minute_at = known.minute_at
    )
{% endif %}

union all

{# Holds the watermark of the model, since most runs find no busy minute. #}
select
    '' as stream_type,
    '' as stream_id,
    timestamp '1970-01-01 00:00:00' as minute_at,
    cast(0 as bigint) as event_count,
    false as is_burst,
    coalesce(max(updated_at), timestamp '1970-01-01 00:00:00') as updated_at
from {{ ref('int_events_deduplicated') }}
