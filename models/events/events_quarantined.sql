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
from {{ ref('landed_events') }}
where status = 'quarantined'
