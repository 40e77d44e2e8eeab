{#
    The visits before a purchase, its own included, as touches. Server calls are not visits, since
    they do not show the source of the visit.
#}
with purchases as (

    select
        event_id,
        profile_id,
        occurred_at,
        {{ json_text('properties', 'order_id') }} as order_id,
        round(coalesce({{ try_number(json_text('properties', 'revenue')) }}, 0), 6) as revenue
    from {{ ref('profile_timeline') }}
    where
        event_name = 'purchase'
        and occurred_at < (select data_clock.as_of from {{ ref('data_clock') }} as data_clock)

),

sessions as (

    select
        session_id,
        profile_id,
        started_at,
        traffic_source,
        traffic_medium,
        campaign_name,
        traffic_medium = '(none)' as is_direct
    from {{ ref('fct_sessions') }}
    where platform <> 'server'

),

touches as (

    select
        purchases.event_id,
        sessions.*,
        count(*) over (partition by purchases.event_id) as touch_count,
        row_number() over (
            partition by purchases.event_id
            order by sessions.started_at, sessions.session_id
        ) as first_rank,
        row_number() over (
            partition by purchases.event_id
            order by sessions.started_at desc, sessions.session_id desc
        ) as last_rank,
        {# If all visits were direct, the last one counts. #}
        row_number() over (
            partition by purchases.event_id
            order by sessions.is_direct asc, sessions.started_at desc, sessions.session_id desc
        ) as last_non_direct_rank
    from purchases
    inner join sessions
        on
            purchases.profile_id = sessions.profile_id
            and purchases.occurred_at >= sessions.started_at

)

select
    purchases.event_id,
    purchases.profile_id,
    purchases.order_id,
    purchases.revenue,
    purchases.occurred_at,
    coalesce(firsts.touch_count, 0) as touch_count,
    firsts.session_id as first_session_id,
    firsts.traffic_source as first_source,
    firsts.traffic_medium as first_medium,
    firsts.campaign_name as first_campaign,
    lasts.session_id as last_session_id,
    lasts.traffic_source as last_source,
    lasts.traffic_medium as last_medium,
    lasts.campaign_name as last_campaign,
    last_non_directs.session_id as last_non_direct_session_id,
    last_non_directs.traffic_source as last_non_direct_source,
    last_non_directs.traffic_medium as last_non_direct_medium,
    last_non_directs.campaign_name as last_non_direct_campaign
from purchases
left join touches as firsts
    on purchases.event_id = firsts.event_id and firsts.first_rank = 1
left join touches as lasts
    on purchases.event_id = lasts.event_id and lasts.last_rank = 1
left join touches as last_non_directs
    on
        purchases.event_id = last_non_directs.event_id
        and last_non_directs.last_non_direct_rank = 1
