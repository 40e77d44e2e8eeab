{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_id',
        post_hook='delete from {{ this }} where event_count = 0',
    )
}}

{% set timeout_minutes = checked_var('session_timeout_minutes') %}
{% set timeout = "interval '" ~ timeout_minutes ~ " minutes'" %}
{% set longest = checked_var('session_longest_hours') * 3600000000 %}

{#
    A run is a sequence of events without a gap; only its own events decide how it is cut into
    sessions. So an arrival affects only the runs that it can reach, and these are recomputed, from
    the start of the first to the end of the last, which no other run can reach. Rows of every
    status count here, since a row that became a duplicate or was removed changes its run too; so
    does the whole minute, since an arrival may make it a burst.
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
        from (
            select
                stream_type,
                stream_id,
                occurred_at
            from {{ ref('int_events_deduplicated') }}
            where updated_at > {{ arrival_watermark('updated_at') if is_incremental() }}

            union all

            select
                stream_type,
                stream_id,
                minute_at as occurred_at
            from {{ ref('int_pending_removals') }}
            where removed_at > {{ arrival_watermark('updated_at') if is_incremental() }}
        ) as touched
        where
            stream_id is not null
            and occurred_at is not null
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

{# Idle events count for one timeout after the last action, so events are read until then. #}
{% set is_in_reach =
    within('occurred_at', reached_runs, 'from_at', 'until_at + ' ~ timeout) if is_incremental()
%}

{#
    An incremental run holds the events of the recomputed runs in memory. In a first load these are
    all events, too many to hold, so they are read whenever needed.
#}
{% set events = 'reached_events' if is_incremental() else ref('session_events') %}

{#
    A slice of time that is not longer than the timeout contains no gap. So gaps are searched only
    between slices, which are few, and the events need no expensive sorting.
#}
{% set slice -%}
floor(datediff('minute', timestamp '1970-01-01 00:00:00', occurred_at) / {{ timeout_minutes }})
{%- endset %}

{# Fixed digits, so that places sort by instant and, at the same instant, by event id. #}
{% set place -%}
cast(10000000000000000 + run_microseconds as varchar) || event_id
{%- endset %}

with

{% if is_incremental() %}
reached_spans as (

    {{ reached_runs | indent(4) }}

),

reached_events as (

    select session_events.*
    from {{ ref('session_events') }} as session_events
    inner join reached_spans
        on
            session_events.stream_type = reached_spans.stream_type
            and session_events.stream_id = reached_spans.stream_id
            and session_events.occurred_at >= reached_spans.from_at
            and session_events.occurred_at <= reached_spans.until_at + {{ timeout }}
    where
        {{ is_in_reach }}
        {# The range lets DuckDB skip the wide rows of other streams. #}
        and session_events.stream_id in (select distinct reached_spans.stream_id from reached_spans)

),
{% endif %}

{# Idle events do not extend a session. #}
slices as (

    select
        stream_type,
        stream_id,
        {{ slice | indent(8) }} as slice,
        min(occurred_at) as first_at,
        max(occurred_at) as last_at
    from {{ events }}
    where not is_idle
    group by stream_type, stream_id, slice

),

{#
    Partitioned by the id first, since its first characters distinguish streams and those of the
    type do not.
#}
neighbouring_slices as (

    select
        *,
        lag(last_at) over (partition by stream_id, stream_type order by slice) as done_before_at,
        lead(first_at) over (partition by stream_id, stream_type order by slice) as done_after_at
    from slices

),

{# Adding an interval is exact to the microsecond; datediff counts boundaries. #}
runs as (

    select
        stream_type,
        stream_id,
        slice,
        last_at,
        max(
            case
                when done_before_at is null or first_at > done_before_at + {{ timeout }}
                    then first_at
            end
        ) over (
            partition by stream_id, stream_type
            order by slice
            rows between unbounded preceding and current row
        ) as run_started_at,
        min(
            case
                when done_after_at is null or done_after_at > last_at + {{ timeout }}
                    then last_at
            end
        ) over (
            partition by stream_id, stream_type
            order by slice
            rows between current row and unbounded following
        ) as run_ended_at
    from neighbouring_slices

),

{# The slices that a run reaches; an idle event may be in the one after its last. #}
reaches as (

    select
        stream_type,
        stream_id,
        slice,
        run_started_at,
        run_ended_at
    from runs

    union all

    select
        stream_type,
        stream_id,
        slice + 1 as slice,
        run_started_at,
        run_ended_at
    from runs
    where last_at = run_ended_at

),

{# Only narrow columns are joined and counted; pages are read once the first and last are known. #}
texts as (

    select
        stream_type,
        stream_id,
        {{ slice | indent(8) }} as slice,
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
                then {{ json_text('properties', 'quantity') }}
        end as quantity,
        case
            when event_name in ('add_to_cart', 'remove_from_cart')
                then {{ json_text('properties', 'price') }}
        end as price,
        case
            when event_name = 'purchase' then {{ json_text('properties', 'order_id') }}
        end as order_id,
        case
            when event_name = 'purchase' then {{ json_text('properties', 'revenue') }}
        end as revenue,
        case event_name
            when 'time_on_page' then {{ json_text('properties', 'seconds') }}
            when 'user_engagement' then {{ json_text('properties', 'engagement_time_msec') }}
        end as engaged,
        {% if var('session_breaks_on_campaign') %}
        case
            when not is_idle
                then nullif(concat(
                    coalesce({{ json_text('context', 'campaign.source') }}, ''),
                    '|',
                    coalesce({{ json_text('context', 'campaign.medium') }}, ''),
                    '|',
                    coalesce({{ json_text('context', 'campaign.name') }}, '')
                ), '||')
        end as campaign,
        {% endif %}
        updated_at
    from {{ events }}

),

numbers as (

    select
        * exclude (cart_sign, quantity, price, revenue, engaged),
        cart_sign * coalesce({{ try_number('quantity') }}, 1) as cart_quantity,
        coalesce({{ try_number('price') }}, 0) as cart_price,
        {{ try_number('revenue') }} as revenue,
        {# Snowplow sends a page ping every ten seconds while the visitor is active. #}
        case event_name
            when 'page_ping' then 10
            when 'user_engagement' then {{ try_number('engaged') }} / 1000
            else {{ try_number('engaged') }}
        end as engaged_seconds
    from texts

),

{# Idle events of a page that was left open are in no run, so they are not a visit. #}
run_events as (

    select
        numbers.* exclude (slice),
        reaches.run_started_at,
        reaches.run_ended_at,
        datediff('microsecond', reaches.run_started_at, numbers.occurred_at) as run_microseconds
    from numbers
    inner join reaches
        on
            numbers.stream_type = reaches.stream_type
            and numbers.stream_id = reaches.stream_id
            and numbers.slice = reaches.slice
            and numbers.occurred_at >= reaches.run_started_at
            and numbers.occurred_at <= reaches.run_ended_at + {{ timeout }}

),

{% if var('session_breaks_on_campaign') %}
campaigns as (

    select
        *,
        campaign is not null
        and campaign is distinct from lag(campaign) over (
            partition by stream_id, stream_type, run_started_at, campaign is null
            order by occurred_at, is_idle, event_id
        ) as is_new_campaign
    from run_events

),
{% endif %}

session_parts as (

    select
        *,
        {% if var('session_breaks_on_campaign') %}
        sum(case when is_new_campaign then 1 else 0 end) over (
            partition by stream_id, stream_type, run_started_at
            order by occurred_at, is_idle, event_id
            rows between unbounded preceding and current row
        ) as campaign_number,
        {% else %}
        0 as campaign_number,
        {% endif %}
        {#
            A run without an end is cut at multiples of the longest session; a quotient would round.
        #}
        run_microseconds - mod(run_microseconds, {{ longest }}) as cut_after
    from {{ 'campaigns' if var('session_breaks_on_campaign') else 'run_events' }}

),

session_counts as (

    select
        stream_type,
        stream_id,
        run_started_at,
        min(run_ended_at) as run_ended_at,
        substr(min(case when not is_idle then {{ place }} end), 18) as first_event_id,
        substr(max(case when not is_idle then {{ place }} end), 18) as last_event_id,
        min(case when not is_idle then occurred_at end) as started_at,
        max(case when not is_idle then occurred_at end) as ended_at,
        count_if(not is_idle) as event_count,
        count_if(event_name = 'page_view') as page_view_count,
        count_if(event_name = 'product_search') as search_count,
        count_if(event_name = 'product_view') as product_view_count,
        count_if(event_name = 'add_to_cart') as cart_add_count,
        sum(cart_quantity) as cart_quantity,
        sum(cart_quantity * cart_price) as cart_value,
        {{ count_distinct_rare('order_id') }} as order_count,
        sum(revenue) as revenue,
        sum(engaged_seconds) as engaged_seconds,
        max(updated_at) as updated_at
    from session_parts
    group by stream_type, stream_id, run_started_at, campaign_number, cut_after

),

{#
    The first and last page are read from these two events only. A part of a run with only idle
    events has neither, and is not a visit.
#}
{% set opening = json_texts('openings.context', [
    'page.path', 'page.url', 'page.referrer',
    'campaign.source', 'campaign.medium', 'campaign.name',
    'device.type', 'userAgent',
]) %}
{% set opening_page = json_texts('openings.properties', ['path', 'url']) %}
{% set closing = json_texts('closings.context', ['page.path', 'page.url']) %}
{% set closing_page = json_texts('closings.properties', ['path', 'url']) %}

closed_sessions as (

    select
        session_counts.*,
        {{ closing['page.path'] }} as closing_path,
        {{ closing['page.url'] }} as closing_url,
        {{ closing_page['path'] }} as closing_own_path,
        {{ closing_page['url'] }} as closing_own_url
    from session_counts
    inner join {{ events }} as closings
        on session_counts.last_event_id = closings.event_id

),

opened_sessions as (

    select
        closed_sessions.*,
        openings.platform,
        {{ opening['page.path'] }} as opening_path,
        {{ opening['page.url'] }} as opening_url,
        {{ opening_page['path'] }} as opening_own_path,
        {{ opening_page['url'] }} as opening_own_url,
        {{ opening['page.referrer'] }} as referrer,
        {{ opening['campaign.source'] }} as campaign_source,
        {{ opening['campaign.medium'] }} as campaign_medium,
        {{ opening['campaign.name'] }} as campaign_name,
        {{ opening['device.type'] }} as device_type,
        {{ opening['userAgent'] }} as user_agent
    from closed_sessions
    inner join {{ events }} as openings
        on closed_sessions.first_event_id = openings.event_id

),

{# Sums are rounded to six digits so that summation order cannot change results. #}
sessions as (

    select
        md5(stream_type || ':' || stream_id || ':' || first_event_id) as session_id,
        stream_type,
        stream_id,
        first_event_id,
        last_event_id,
        started_at,
        ended_at,
        run_started_at,
        run_ended_at,
        page_view_count,
        search_count,
        product_view_count,
        cart_add_count,
        greatest(round(coalesce(cart_quantity, 0), 6), 0) as cart_quantity,
        greatest(round(coalesce(cart_value, 0), 6), 0) as cart_value,
        order_count,
        round(coalesce(revenue, 0), 6) as revenue,
        round(engaged_seconds, 6) as engaged_seconds,
        platform,
        {# As the app reports it, else by the user agent. #}
        case
            when lower(device_type) in ('desktop', 'mobile', 'tablet', 'tv')
                then lower(device_type)
            when lower(device_type) in ('ios', 'android') then 'mobile'
            when {{ matches('user_agent', 'ipad|tablet') }} then 'tablet'
            when {{ matches('user_agent', 'mobi|iphone|android') }} then 'mobile'
            when {{ matches('user_agent', 'mozilla') }} then 'desktop'
        end as device,
        {{ page_path(
            'opening_path', 'opening_url', 'opening_own_path', 'opening_own_url'
        ) | indent(8) }} as landing_path,
        {{ page_path(
            'closing_path', 'closing_url', 'closing_own_path', 'closing_own_url'
        ) | indent(8) }} as exit_path,
        referrer,
        nullif(
            {{ url_host('referrer') | indent(12) }},
            {{ url_host('coalesce(opening_url, opening_own_url)') | indent(12) }}
        ) as referrer_host,
        campaign_source,
        campaign_medium,
        campaign_name,
        updated_at,
        event_count
    from opened_sessions

)

select * from sessions

{% if is_incremental() %}
union all

{# A former session is replaced by an empty row, which the post hook deletes. #}
select
    known.* exclude (event_count),
    0 as event_count
from {{ this }} as known
inner join reached_spans
    on
        known.stream_type = reached_spans.stream_type
        and known.stream_id = reached_spans.stream_id
        and known.started_at >= reached_spans.from_at
        and known.started_at <= reached_spans.until_at
where
    known.session_id not in (select sessions.session_id from sessions)
    and {{ is_in_reach | replace('occurred_at', 'known.started_at') }}
{% endif %}
