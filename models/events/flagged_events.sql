{{ config(materialized='view') }}

with landed_events as (

    select * from {{ ref('landed_events') }}

),

busy_minutes as (

    select * from {{ ref('int_busy_minutes') }}

),

{# A minute that became a burst, or ceased to be one, has changed all its events. #}
flagged as (

    select
        landed_events.* exclude (is_bot, updated_at),
        landed_events.is_bot or coalesce(busy_minutes.is_burst, false) as is_bot,
        case
            when busy_minutes.updated_at > landed_events.updated_at
                then busy_minutes.updated_at
            else landed_events.updated_at
        end as updated_at
    from landed_events
    left join busy_minutes
        on
            landed_events.stream_type = busy_minutes.stream_type
            and landed_events.stream_id = busy_minutes.stream_id
            and date_trunc('minute', landed_events.occurred_at) = busy_minutes.minute_at

)

select
    *,
    status = 'valid' and {{ is_counted() }} as is_counted
from flagged
