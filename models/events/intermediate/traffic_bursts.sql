{{ config(materialized='view') }}

select
    stream_type,
    stream_id,
    minute_at,
    event_count,
    updated_at
from {{ ref('int_busy_minutes') }}
where is_burst
