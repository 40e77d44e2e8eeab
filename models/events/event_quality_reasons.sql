{{ config(materialized='view') }}

select
    day,
    source,
    event_name,
    reason,
    cast(sum(landed) as bigint) as quarantined
from {{ ref('int_event_counts') }}
where status = 'quarantined'
group by day, source, event_name, reason
