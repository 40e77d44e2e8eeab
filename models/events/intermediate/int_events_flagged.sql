{{ config(materialized='view') }}

with int_events_deduplicated as (

    select * from {{ ref('int_events_deduplicated') }}

),

busy_minutes as (

    select * from {{ ref('int_busy_minutes') }}

),

{# A minute that became a burst, or is no longer one, changes all its events. #}
flags as (

    select
        int_events_deduplicated.* exclude (is_bot, updated_at),
        int_events_deduplicated.is_bot or coalesce(busy_minutes.is_burst, false) as is_bot,
        case
            when busy_minutes.updated_at > int_events_deduplicated.updated_at
                then busy_minutes.updated_at
            else int_events_deduplicated.updated_at
        end as updated_at
    from int_events_deduplicated
    left join busy_minutes
        on
            int_events_deduplicated.stream_type = busy_minutes.stream_type
            and int_events_deduplicated.stream_id = busy_minutes.stream_id
            and date_trunc('minute', int_events_deduplicated.occurred_at) = busy_minutes.minute_at

)

select
    *,
    status = 'valid' and {{ is_counted() }} as is_counted
from flags
