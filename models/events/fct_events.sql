{{ config(materialized='view') }}

select
    event_id,
    event_name,
    source,
    anonymous_id,
    user_id,
    occurred_at,
    is_time_clamped,
    received_at,
    platform,
    context,
    properties,
    identifiers,
    stream_type,
    stream_id,
    is_bot,
    is_internal,
    is_counted,
    landed_file,
    landed_line,
    landed_part,
    landed_at,
    updated_at
from {{ ref('int_events_flagged') }}
where status = 'valid'
