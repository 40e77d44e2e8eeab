{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='stream_id',
        post_hook="
            {% if is_incremental() %}
            delete from {{ this }} where stream_id not in (
                select stream_id from {{ ref('session_events') }}
            )
            {% endif %}
        ",
    )
}}

{# Every status counts here: a row that turned out a duplicate changes its stream too. #}
with changed_streams as (

    select distinct stream_id
    from {{ ref('landed_events') }}
    where
        stream_id is not null
    {% if is_incremental() %}
        and updated_at > {{ arrival_watermark('updated_at') | indent(8) }}
    {% endif %}

),

visits as (

    select
        session_events.*,
        lag(session_events.occurred_at) over (
            partition by session_events.stream_type, session_events.stream_id
            order by session_events.occurred_at, session_events.event_id
        ) as previous_at
    from {{ ref('session_events') }} as session_events
    inner join changed_streams
        on session_events.stream_id = changed_streams.stream_id

),

numbered as (

    {# Adding an interval is exact to the microsecond; datediff counts boundaries. #}
    select
        *,
        sum(
            case
                when
                    previous_at is null
                    or occurred_at
                    > previous_at + interval '{{ var("session_timeout_minutes") }} minutes'
                    then 1
                else 0
            end
        ) over (
            partition by stream_type, stream_id
            order by occurred_at, event_id
            rows between unbounded preceding and current row
        ) as session_number
    from visits

),

placed as (

    select
        *,
        row_number() over (
            partition by stream_type, stream_id, session_number
            order by occurred_at, event_id
        ) as event_number
    from numbered

),

sessions as (

    select
        stream_type,
        stream_id,
        max(case when event_number = 1 then event_id end) as first_event_id,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        count(*) as event_count,
        count_if(event_name = 'page_view') as page_view_count,
        count_if(event_name = 'product_search') as search_count,
        count_if(event_name = 'product_view') as product_view_count,
        count_if(event_name = 'add_to_cart') as cart_add_count,
        sum(
            case
                when event_name = 'add_to_cart'
                    then
                        coalesce({{ try_number(json_text('properties', 'price')) }}, 0)
                        * coalesce({{ try_number(json_text('properties', 'quantity')) }}, 1)
                else 0
            end
        ) as cart_value,
        count(distinct case
            when event_name = 'purchase' then {{ json_text('properties', 'order_id') }}
        end) as order_count,
        sum(
            case
                when event_name = 'purchase'
                    then coalesce({{ try_number(json_text('properties', 'revenue')) }}, 0)
                else 0
            end
        ) as revenue,
        max(case when event_number = 1 then platform end) as platform,
        max(
            case when event_number = 1 then {{ json_text('context', 'page.path') }} end
        ) as landing_path,
        max(
            case when event_number = 1 then {{ json_text('context', 'page.referrer') }} end
        ) as referrer,
        max(
            case when event_number = 1 then {{ json_text('context', 'campaign.source') }} end
        ) as campaign_source,
        max(
            case when event_number = 1 then {{ json_text('context', 'campaign.medium') }} end
        ) as campaign_medium,
        max(
            case when event_number = 1 then {{ json_text('context', 'campaign.name') }} end
        ) as campaign_name,
        max(updated_at) as updated_at
    from placed
    group by stream_type, stream_id, session_number

)

{# Sums are rounded to the sixth digit: in which order a warehouse adds up must not show. #}
select
    md5(stream_type || ':' || stream_id || ':' || first_event_id) as session_id,
    * exclude (cart_value, revenue),
    round(cart_value, 6) as cart_value,
    round(revenue, 6) as revenue
from sessions
