{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='identifier_id',
        post_hook='delete from {{ this }} where event_count = 0',
    )
}}

{% set touched_identifiers = ref('int_touched_identifiers') %}

with

{% if is_incremental() %}
touched as (

    select * from {{ touched_identifiers }}

),
{% endif %}

event_identifiers as (

    select * from {{ ref('event_identifiers') }}
    {% if is_incremental() %}
    {# By value first: that reads no more than the rows which hold one. #}
    where
        id_value in (select touched.id_value from touched)
        and identifier_id in (select touched.identifier_id from touched)
    {% endif %}

)

{# What has no evidence left is written as such, and goes with the post hook. #}
select
    identifier_id,
    id_type,
    id_value,
    min(case when is_evidence then received_at end) as first_received_at,
    max(case when is_evidence then received_at end) as last_received_at,
    min(case when is_evidence then occurred_at end) as first_seen_at,
    max(case when is_evidence then occurred_at end) as last_seen_at,
    count_if(is_evidence) as event_count,
    max(updated_at) as updated_at
from event_identifiers
group by identifier_id, id_type, id_value
