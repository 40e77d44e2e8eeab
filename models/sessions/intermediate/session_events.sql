{{ config(materialized='view') }}

{# Events of visits, without excluded traffic and passive events. #}
select
    *,
    event_name in ({{ literals('idle_events') }}) as is_idle
from {{ ref('fct_events') }}
where
    stream_id is not null
    and is_counted
    and event_name not in ({{ literals('passive_events') }})
