{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_id',
        post_hook='delete from {{ this }} where event_count = 0',
    )
}}

{% set timeout = "interval '" ~ checked_whole('session_timeout_minutes', 1, 1440) ~ " minutes'" %}
{% set longest = checked_whole('session_longest_hours', 1, 720) * 3600000000 %}

{#
    A run is what no gap interrupts; nothing outside decides how it is cut into sessions. So an
    arrival is a matter of the runs that it can reach, and these are made anew: from the start of
    the first to the end of the last, which no other run can reach. Every status counts here: a row
    that turned out a duplicate changes its run too; and the whole minute, for an arrival may make
    it a burst.
#}
{% set reached_runs %}
    select
        arrivals.stream_type,
        arrivals.stream_id,
        least(
            arrivals.first_at, coalesce(min(known.run_started_at), arrivals.first_at)
        ) as from_at,
        greatest(
            arrivals.last_at, coalesce(max(known.run_ended_at), arrivals.last_at)
        ) as until_at
    from (
        select
            stream_type,
            stream_id,
            date_trunc('minute', min(occurred_at)) as first_at,
            date_trunc('minute', max(occurred_at)) + interval '1 minute' as last_at
        from {{ ref('landed_events') }}
        where
            stream_id is not null
            and occurred_at is not null
            and updated_at > {{ arrival_watermark('updated_at') if is_incremental() }}
        group by stream_type, stream_id
    ) as arrivals
    left join {{ this }} as known
        on
            arrivals.stream_type = known.stream_type
            and arrivals.stream_id = known.stream_id
            and arrivals.first_at <= known.run_ended_at + {{ timeout }}
            and arrivals.last_at >= known.run_started_at - {{ timeout }}
    group by arrivals.stream_type, arrivals.stream_id, arrivals.first_at, arrivals.last_at
{% endset %}

{# Idle events count for a timeout after what was done, so events are read till then. #}
{% set is_in_reach =
    within('occurred_at', reached_runs, 'from_at', 'until_at + ' ~ timeout)
    if is_incremental() else 'true'
%}

with

{% if is_incremental() %}
reached as (

    {{ reached_runs | indent(4) }}

),
{% endif %}

session_events as (

    select session_events.*
    from {{ ref('session_events') }} as session_events
    {% if is_incremental() %}
    inner join reached
        on
            session_events.stream_type = reached.stream_type
            and session_events.stream_id = reached.stream_id
            and session_events.occurred_at >= reached.from_at
            and session_events.occurred_at <= reached.until_at + {{ timeout }}
    {% endif %}
    where {{ is_in_reach }}

),

{# Only what is narrow is sorted: prices are read here, pages when the first and last are known. #}
events as (

    select
        stream_type,
        stream_id,
        event_id,
        event_name,
        occurred_at,
        is_idle,
        case event_name
            when 'add_to_cart' then 1
            when 'remove_from_cart' then -1
        end as cart_sign,
        case
            when event_name in ('add_to_cart', 'remove_from_cart')
                then coalesce({{ try_number(json_text('properties', 'quantity')) }}, 1)
        end as cart_pieces,
        case
            when event_name in ('add_to_cart', 'remove_from_cart')
                then coalesce({{ try_number(json_text('properties', 'price')) }}, 0)
        end as cart_price,
        case
            when event_name = 'purchase' then {{ json_text('properties', 'order_id') }}
        end as order_id,
        case
            when event_name = 'purchase'
                then {{ try_number(json_text('properties', 'revenue')) }}
        end as revenue,
        {# Snowplow's page ping comes every ten seconds, while there is a sign of life. #}
        case event_name
            when 'time_on_page' then {{ try_number(json_text('properties', 'seconds')) }}
            when 'user_engagement'
                then {{ try_number(json_text('properties', 'engagement_time_msec')) }} / 1000
            when 'page_ping' then 10
        end as engaged_seconds,
        {% if var('session_breaks_on_campaign') %}
        case when not is_idle then {{ campaign_text('context') | indent(8) }} end as campaign,
        {% endif %}
        updated_at
    from session_events

),

{# An idle event keeps nothing alive: what was done is followed by what was done. #}
followed as (

    select
        *,
        lag(occurred_at) over (
            partition by stream_type, stream_id, is_idle
            order by occurred_at, event_id
        ) as done_before_at
    from events

),

{# Adding an interval is exact to the microsecond; datediff counts boundaries. #}
visited as (

    select
        *,
        not is_idle
        and (done_before_at is null or occurred_at > done_before_at + {{ timeout }})
            as is_first_of_run
    from followed

),

runs as (

    select
        *,
        sum(case when is_first_of_run then 1 else 0 end) over (
            partition by stream_type, stream_id
            order by occurred_at, is_idle, event_id
            rows between unbounded preceding and current row
        ) as run_number,
        max(case when is_first_of_run then occurred_at end) over (
            partition by stream_type, stream_id
            order by occurred_at, is_idle, event_id
            rows between unbounded preceding and current row
        ) as run_started_at,
        max(case when not is_idle then occurred_at end) over (
            partition by stream_type, stream_id
            order by occurred_at, is_idle, event_id
            rows between unbounded preceding and current row
        ) as done_at,
        row_number() over (
            partition by stream_type, stream_id
            order by occurred_at, is_idle, event_id
        ) as event_number
    from visited

),

{% if var('session_breaks_on_campaign') %}
campaigns as (

    select
        *,
        campaign is not null
        and not is_first_of_run
        and campaign is distinct from lag(campaign) over (
            partition by stream_type, stream_id, run_number, campaign is null
            order by occurred_at, is_idle, event_id
        ) as is_new_campaign
    from runs

),
{% endif %}

cut as (

    select
        *,
        {% if var('session_breaks_on_campaign') %}
        sum(case when is_new_campaign then 1 else 0 end) over (
            partition by stream_type, stream_id, run_number
            order by occurred_at, is_idle, event_id
            rows between unbounded preceding and current row
        ) as campaign_number,
        {% else %}
        0 as campaign_number,
        {% endif %}
        {# What never ends is cut at multiples of the longest session; a quotient would round. #}
        datediff('microsecond', run_started_at, occurred_at)
        - mod(datediff('microsecond', run_started_at, occurred_at), {{ longest }}) as cut_after
    from {{ 'campaigns' if var('session_breaks_on_campaign') else 'runs' }}
    {# Stray idle events, sent by a page that somebody left open, are no visit. #}
    where occurred_at <= done_at + {{ timeout }}

),

counted as (

    select
        stream_type,
        stream_id,
        run_number,
        min(run_started_at) as run_started_at,
        min_by(event_id, case when not is_idle then event_number end) as first_event_id,
        max_by(event_id, case when not is_idle then event_number end) as last_event_id,
        min(case when not is_idle then occurred_at end) as started_at,
        max(case when not is_idle then occurred_at end) as ended_at,
        count_if(not is_idle) as event_count,
        count_if(event_name = 'page_view') as page_view_count,
        count_if(event_name = 'product_search') as search_count,
        count_if(event_name = 'product_view') as product_view_count,
        count_if(event_name = 'add_to_cart') as cart_add_count,
        sum(cart_sign * cart_pieces) as cart_quantity,
        sum(cart_sign * cart_pieces * cart_price) as cart_value,
        count(distinct order_id) as order_count,
        sum(revenue) as revenue,
        sum(engaged_seconds) as engaged_seconds,
        max(updated_at) as updated_at
    from cut
    group by stream_type, stream_id, run_number, campaign_number, cut_after

),

{# Where a session began and ended is read of these two events only. #}
openings as (

    select
        event_id,
        platform,
        {{ json_text('context', 'page.path') }} as path,
        {{ json_text('context', 'page.url') }} as url,
        {{ json_text('context', 'page.referrer') }} as referrer,
        {{ json_text('context', 'campaign.source') }} as campaign_source,
        {{ json_text('context', 'campaign.medium') }} as campaign_medium,
        {{ json_text('context', 'campaign.name') }} as campaign_name,
        {{ device('context') | indent(8) }} as device
    from {{ ref('session_events') }}
    where
        event_id in (select counted.first_event_id from counted)
        and {{ is_in_reach }}

),

closings as (

    select
        event_id,
        {{ json_text('context', 'page.path') }} as path
    from {{ ref('session_events') }}
    where
        event_id in (select counted.last_event_id from counted)
        and {{ is_in_reach }}

),

{#
    A part of a run without anything done is no visit either.
    Sums are rounded to the sixth digit: in which order a warehouse adds up must not show.
#}
sessions as (

    select
        md5(
            counted.stream_type || ':' || counted.stream_id || ':' || counted.first_event_id
        ) as session_id,
        counted.stream_type,
        counted.stream_id,
        counted.first_event_id,
        counted.last_event_id,
        counted.started_at,
        counted.ended_at,
        counted.run_started_at,
        max(counted.ended_at) over (
            partition by counted.stream_type, counted.stream_id, counted.run_number
        ) as run_ended_at,
        counted.page_view_count,
        counted.search_count,
        counted.product_view_count,
        counted.cart_add_count,
        greatest(round(coalesce(counted.cart_quantity, 0), 6), 0) as cart_quantity,
        greatest(round(coalesce(counted.cart_value, 0), 6), 0) as cart_value,
        counted.order_count,
        round(coalesce(counted.revenue, 0), 6) as revenue,
        round(counted.engaged_seconds, 6) as engaged_seconds,
        openings.platform,
        openings.device,
        openings.path as landing_path,
        closings.path as exit_path,
        openings.referrer,
        nullif({{ url_host('openings.referrer') }}, {{ url_host('openings.url') }})
            as referrer_host,
        openings.campaign_source,
        openings.campaign_medium,
        openings.campaign_name,
        counted.updated_at,
        counted.event_count
    from counted
    inner join openings
        on counted.first_event_id = openings.event_id
    inner join closings
        on counted.last_event_id = closings.event_id

)

select * from sessions

{% if is_incremental() %}
union all

{# What is no session any more replaces the old row as an empty one, and goes with the post hook. #}
select
    known.* exclude (event_count),
    0 as event_count
from {{ this }} as known
inner join reached
    on
        known.stream_type = reached.stream_type
        and known.stream_id = reached.stream_id
        and known.started_at >= reached.from_at
        and known.started_at <= reached.until_at
where known.session_id not in (select sessions.session_id from sessions)
{% endif %}
