{{ config(materialized='view') }}

{# What somebody did in a visit: no excluded traffic, nothing that merely happened to a person. #}
select
    *,
    event_name in ({{ literals('idle_events') }}) as is_idle
from {{ ref('fct_events') }}
where
    stream_id is not null
    and is_counted
    and event_name not in ({{ literals('passive_events') }})
