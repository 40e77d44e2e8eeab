{{ config(materialized='view') }}

select
    event_id,
    event_name,
    occurred_at,
    received_at,
    landed_file,
    landed_line,
    landed_part,
    landed_at
from {{ ref('int_events_deduplicated') }}
where status = 'duplicate'
