{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['landed_file', 'landed_line'],
    )
}}

{% set arrival_order %}
    received_at, occurred_at, event_name, user_id, anonymous_id, platform,
    cast(properties as varchar), cast(identifiers as varchar), cast(context as varchar),
    landed_file, landed_line
{%- endset %}
{% set blocklist = ref('identifier_blocklist') %}
{% set bot_patterns = seed_rows(ref('bot_user_agents'), ['pattern']) | map('first') | join('|') %}

with arrivals as (

    select * from {{ ref('stg_collector__events') }}
    {% if is_incremental() %}
    where landed_at > {{ arrival_watermark('landed_at') }}
    {% endif %}

),

judged as (

    select
        event_id,
        event_name,
        source,
        anonymous_id,
        user_id,
        occurred_at,
        received_at,
        platform,
        context,
        properties,
        identifiers,
        landed_file,
        landed_line,
        landed_at,
        original,
        {{ matches(json_text('context', 'userAgent'), bot_patterns) if bot_patterns else 'false' }}
            as is_bot,
        case
            when problem is not null then problem
            when occurred_at is null then 'no readable timestamp'
            when occurred_at < timestamp '1990-01-01 00:00:00' then 'occurred before 1990'
            {# It would set the data clock ahead, and everybody would seem to be gone. #}
            when received_at > landed_at + interval '1 day' then 'received in the future'
            when
                anonymous_id is null
                and user_id is null
                and {{ json_text('identifiers', 'email') }} is null
                then 'no identifier'
            else {{ plan_violation(ref('tracking_plan'), 'event_name', 'properties') | indent(12) }}
        end as reason
    from arrivals

),

{# Whatever shares an event id is one event: the row received first is it, the others repeat it. #}
candidates as (

    select * from judged
    where reason is null

    {% if is_incremental() %}
    union all

    select
        event_id,
        event_name,
        source,
        anonymous_id,
        user_id,
        occurred_at,
        received_at,
        platform,
        context,
        properties,
        identifiers,
        landed_file,
        landed_line,
        landed_at,
        original,
        is_bot,
        reason
    from {{ this }}
    where
        status <> 'quarantined'
        and landed_at <= {{ arrival_watermark('landed_at') }}
        and event_id in (select judged.event_id from judged where judged.reason is null)
    {% endif %}

),

ranked as (

    {#
        Between rows received at the same instant their content decides, not the file they came in.
        `repeated_since` is the first load of a better row: then this one's status changed.
    #}
    select
        *,
        row_number() over (
            partition by event_id
            order by {{ arrival_order }}
        ) as arrival_rank,
        min(landed_at) over (
            partition by event_id
            order by {{ arrival_order }}
            rows between unbounded preceding and 1 preceding
        ) as repeated_since
    from candidates

),

unioned as (

    select
        * exclude (arrival_rank, repeated_since),
        case when arrival_rank = 1 then 'valid' else 'duplicate' end as status,
        case
            when repeated_since > landed_at then repeated_since
            else landed_at
        end as updated_at
    from ranked

    union all

    select
        *,
        'quarantined' as status,
        landed_at as updated_at
    from judged
    where reason is not null

),

streams as (

    select
        *,
        {{ usable_id('anonymous_id', 'anonymous_id', blocklist) | indent(8) }}
            as usable_anonymous_id,
        {{ usable_id('user_id', 'user_id', blocklist) | indent(8) }}
            as usable_user_id
    from unioned

)

select
    * exclude (usable_anonymous_id, usable_user_id),
    case
        when usable_anonymous_id is not null then 'anonymous_id'
        when usable_user_id is not null then 'user_id'
    end as stream_type,
    coalesce(usable_anonymous_id, usable_user_id) as stream_id
from streams
