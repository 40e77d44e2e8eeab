{{ config(materialized='view') }}

{# What somebody did in a visit: no machines, nothing that merely happened to a person. #}
select *
from {{ ref('fct_events') }}
where
    stream_id is not null
    and not is_bot
    and event_name not in (
        {{ passive_events() | indent(8) }}
    )
