{{ config(materialized='view') }}

select
    landed_file,
    landed_line,
    landed_part,
    landed_at,
    reason,
    event_id,
    event_name,
    occurred_at,
    received_at,
    properties,
    original
from {{ ref('int_events_deduplicated') }}
where status = 'quarantined'
