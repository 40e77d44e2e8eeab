{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='set_id',
        post_hook='delete from {{ this }} where event_count is null',
    )
}}

{% set watermark = identity_watermark() %}
{% set int_events_deduplicated = ref('int_events_deduplicated') %}
{% set busy_minutes = ref('int_busy_minutes') %}
{% set int_events_flagged = ref('int_events_flagged') %}
{% set removals = ref('int_pending_removals') %}
{% set read %}
    select
        source,
        anonymous_id,
        user_id,
        identifiers,
        is_counted,
        occurred_at,
        received_at,
        updated_at
    from {{ int_events_flagged }}
{% endset %}

with

{% if watermark %}
{# Any status: a duplicate or a bot's event may have been evidence before. #}
arrivals as (

    select
        source,
        anonymous_id,
        user_id,
        identifiers
    from {{ int_events_deduplicated }}
    where updated_at > timestamp '{{ watermark }}'

    union all

    {# A minute that became a burst, or is no longer one, changes all its events. #}
    select
        int_events_deduplicated.source,
        int_events_deduplicated.anonymous_id,
        int_events_deduplicated.user_id,
        int_events_deduplicated.identifiers
    from {{ int_events_deduplicated }} as int_events_deduplicated
    inner join {{ busy_minutes }} as busy_minutes
        on
            int_events_deduplicated.stream_type = busy_minutes.stream_type
            and int_events_deduplicated.stream_id = busy_minutes.stream_id
            and date_trunc('minute', int_events_deduplicated.occurred_at) = busy_minutes.minute_at
    where busy_minutes.updated_at > timestamp '{{ watermark }}'

    union all

    select
        source,
        anonymous_id,
        user_id,
        identifiers
    from {{ removals }}
    where removed_at > timestamp '{{ watermark }}'

),

touches as (

    select distinct
        {{ identifier_set_id('arrivals') | indent(8) }} as set_id,
        arrivals.anonymous_id,
        arrivals.user_id
    from arrivals

),

{# By a plain column first, which reads only the rows with a value. #}
near_rows as (

    {{ read | trim }}
    where anonymous_id in (select touches.anonymous_id from touches)

    union all

    {{ read | trim }}
    where
        anonymous_id is null
        and user_id in (select touches.user_id from touches where touches.anonymous_id is null)

    union all

    {{ read | trim }}
    where
        anonymous_id is null
        and user_id is null
        and identifiers is not null

),

events as (

    select * from near_rows
    where {{ identifier_set_id('near_rows') | indent(4) }} in (select touches.set_id from touches)

),
{% else %}
events as (

    {{ read | trim }}

),
{% endif %}

sets as (

    select
        source,
        anonymous_id,
        user_id,
        identifiers,
        min(case when is_counted then received_at end) as first_received_at,
        max(case when is_counted then received_at end) as last_received_at,
        min(case when is_counted then occurred_at end) as first_seen_at,
        max(case when is_counted then occurred_at end) as last_seen_at,
        count_if(is_counted) as event_count,
        max(case when not is_counted then updated_at end) as lost_at,
        max(updated_at) as updated_at
    from events
    group by source, anonymous_id, user_id, identifiers

),

keyed_sets as (

    select
        sets.*,
        {{ identifier_set_id('sets') | indent(8) }} as set_id
    from sets

),

members as (

    {{ carried_identifiers('keyed_sets', [
        'set_id', 'source', 'first_received_at', 'last_received_at', 'first_seen_at',
        'last_seen_at', 'event_count', 'lost_at', 'updated_at'
    ]) | indent(4) }}

)

select
    set_id,
    source,
    identifier_id,
    id_type,
    id_value,
    priority,
    first_received_at,
    last_received_at,
    first_seen_at,
    last_seen_at,
    event_count,
    lost_at,
    updated_at
from members

{% if is_incremental() and has_rows(removals, 'true') %}
union all

{# No row carries it any more: an empty row replaces it, which the post hook deletes. #}
select
    * exclude (event_count, lost_at, updated_at),
    null as event_count,
    lost_at,
    updated_at
from {{ this }}
where
    set_id not in (select keyed_sets.set_id from keyed_sets)
    {% if watermark %}
    and set_id in (select touches.set_id from touches)
    {% endif %}
{% endif %}
