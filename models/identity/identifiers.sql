{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='identifier_id',
        post_hook='delete from {{ this }} where event_count = 0',
    )
}}

with event_identifiers as (

    select * from {{ ref('event_identifiers') }}

),

{% if is_incremental() %}
touched as (

    {# Whatever became of the row, repeat or quarantined, its identifiers are counted anew. #}
    select distinct
        identifier_id,
        id_type,
        id_value
    from event_identifiers
    where updated_at > {{ arrival_watermark('updated_at') }}

),
{% endif %}

counted as (

    select
        identifier_id,
        id_type,
        id_value,
        min(received_at) as first_received_at,
        max(received_at) as last_received_at,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at,
        count(*) as event_count,
        max(updated_at) as updated_at
    from event_identifiers
    where
        is_evidence
    {% if is_incremental() %}
        and identifier_id in (select touched.identifier_id from touched)
    {% endif %}
    group by identifier_id, id_type, id_value

)

select * from counted

{% if is_incremental() %}
union all

{# No event is left: the row replaces the old one and goes with the post hook. #}
select
    identifier_id,
    id_type,
    id_value,
    null as first_received_at,
    null as last_received_at,
    null as first_seen_at,
    null as last_seen_at,
    0 as event_count,
    null as updated_at
from touched
where identifier_id not in (select counted.identifier_id from counted)
{% endif %}
