{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='identifier_id',
        post_hook='delete from {{ this }} where event_count = 0',
    )
}}

{% set touched_identifiers = ref('int_touched_identifiers') %}
{% set removals = ref('int_pending_removals') %}

with identifier_sets as (

    select * from {{ ref('identifier_sets') }}
    {% if is_incremental() %}
    where
        identifier_id in (
            select touched_identifiers.identifier_id
            from {{ touched_identifiers }} as touched_identifiers
        )
    {% endif %}

)

{# Identifiers without evidence are written as empty rows, which the post hook deletes. #}
select
    identifier_id,
    id_type,
    id_value,
    min(first_received_at) as first_received_at,
    max(last_received_at) as last_received_at,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at,
    cast(sum(event_count) as bigint) as event_count,
    max(updated_at) as updated_at
from identifier_sets
group by identifier_id, id_type, id_value

{% if is_incremental() and has_rows(removals, 'true') %}
union all

{# So are identifiers that are in no set any more. #}
select
    * exclude (event_count, updated_at),
    0 as event_count,
    updated_at
from {{ this }}
where
    identifier_id in (
        select touched_identifiers.identifier_id
        from {{ touched_identifiers }} as touched_identifiers
    )
    and identifier_id not in (select identifier_sets.identifier_id from identifier_sets)
{% endif %}
