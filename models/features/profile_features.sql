{#
    Every feature reads only events before `as_of`; windows are [as_of - N days, as_of). A session
    counts towards durations once it is closed as of that time, regardless of later events. Sums of
    money are rounded to six digits so that summation order cannot change results.
#}
with feature_spine as (

    select * from {{ ref('feature_spine') }}

),

profile_timeline as (

    select * from {{ ref('profile_timeline') }}

),

fct_sessions as (

    select * from {{ ref('fct_sessions') }}

),

key_features as (

    select * from {{ ref('key_features') }}
    {% if not var('shop') %}
    where not coalesce(is_of_shop, false)
    {% endif %}

),

key_feature_total as (

    select count(*) as key_feature_count from key_features

),

actions as (

    select
        profile_timeline.profile_id,
        profile_timeline.event_id,
        profile_timeline.event_name,
        profile_timeline.occurred_at,
        {{ is_activity('profile_timeline.event_name') }} as is_activity,
        {{ json_text('profile_timeline.properties', 'product_id') }} as product_id,
        {{ json_text('profile_timeline.properties', 'category') }} as category,
        {{ json_text('profile_timeline.properties', 'order_id') }} as order_id,
        {{ json_text('profile_timeline.properties', 'coupon') }} as coupon,
        {{ json_text('profile_timeline.properties', 'ticket_id') }} as ticket_id,
        {{ json_text('profile_timeline.properties', 'feature') }} as feature,
        {{ try_number(json_text('profile_timeline.properties', 'price')) }} as price,
        coalesce(
            {{ try_number(json_text('profile_timeline.properties', 'quantity')) }}, 1
        ) as quantity,
        coalesce(
            {{ try_number(json_text('profile_timeline.properties', 'revenue')) }}, 0
        ) as revenue,
        coalesce(
            {{ try_number(json_text('profile_timeline.properties', 'seconds')) }}, 0
        ) as seconds
    from profile_timeline

),

visible_actions as (

    select
        feature_spine.profile_id,
        feature_spine.as_of,
        actions.* exclude (profile_id),
        max(case when actions.event_name = 'purchase' then actions.occurred_at end) over (
            partition by feature_spine.profile_id, feature_spine.as_of
        ) as last_purchase_at,
        max(case when actions.event_name = 'remove_from_cart' then actions.occurred_at end) over (
            partition by feature_spine.profile_id, feature_spine.as_of, actions.product_id
        ) as last_removed_at
    from feature_spine
    inner join actions
        on
            feature_spine.profile_id = actions.profile_id
            and feature_spine.as_of > actions.occurred_at

),

{# A cart holds what was added since the last purchase, within three days, and not removed. #}
carted as (

    select
        *,
        event_name = 'add_to_cart'
        and occurred_at >= as_of - interval '3 days'
        and (last_purchase_at is null or occurred_at > last_purchase_at)
        and (last_removed_at is null or occurred_at > last_removed_at) as is_in_cart
    from visible_actions

),

cart_comparisons as (

    select
        *,
        max(case when is_in_cart then occurred_at end) over (
            partition by profile_id, as_of
        ) as last_cart_at,
        max(case when is_in_cart then category end) over (
            partition by profile_id, as_of
        ) as cart_category
    from carted

),

from_events as (

    select
        profile_id,
        as_of,
        min(occurred_at) as first_event_at,
        max(case when is_activity then occurred_at end) as last_action_at,
        count(distinct case when is_activity then cast(occurred_at as date) end)
            as active_days_ever,
        count(distinct case
            when
                is_activity and occurred_at >= as_of - interval '30 days'
                then cast(occurred_at as date)
        end) as active_days_30d,
        count(distinct case
            when
                is_activity
                and occurred_at < as_of - interval '30 days'
                and occurred_at >= as_of - interval '60 days'
                then cast(occurred_at as date)
        end) as active_days_prior_30d,
        count(distinct case when event_name = 'purchase' then order_id end) as orders_ever,
        min(case when event_name = 'purchase' then occurred_at end) as first_purchase_at,
        max(last_purchase_at) as last_purchase_at,
        sum(case when event_name = 'purchase' then revenue else 0 end) as monetary_value_ever,
        count(distinct case
            when
                event_name = 'purchase' and occurred_at >= as_of - interval '30 days'
                then order_id
        end) as purchases_30d,
        count(distinct case
            when
                event_name = 'purchase' and occurred_at >= as_of - interval '90 days'
                then order_id
        end) as purchases_90d,
        sum(
            case
                when
                    event_name = 'purchase' and occurred_at >= as_of - interval '90 days'
                    then revenue
                else 0
            end
        ) as monetary_value_90d,
        count_if(
            event_name = 'purchase'
            and coupon is not null
            and occurred_at >= as_of - interval '90 days'
        ) as coupons_90d,
        count(distinct case
            when
                event_name = 'support_ticket' and occurred_at >= as_of - interval '60 days'
                then ticket_id
        end) as support_tickets_60d,
        count_if(
            event_name = 'page_view' and occurred_at >= as_of - interval '30 days'
        ) as page_views_30d,
        count_if(
            event_name = 'product_search' and occurred_at >= as_of - interval '30 days'
        ) as searches_30d,
        count_if(
            event_name = 'product_view' and occurred_at >= as_of - interval '30 days'
        ) as product_views_30d,
        count_if(
            event_name = 'add_to_cart' and occurred_at >= as_of - interval '30 days'
        ) as cart_adds_30d,
        count_if(
            event_name = 'email_click' and occurred_at >= as_of - interval '30 days'
        ) as email_clicks_30d,
        count_if(
            event_name = 'feature_use' and occurred_at >= as_of - interval '30 days'
        ) as feature_uses_30d,
        count_if(
            event_name = 'product_view' and occurred_at >= as_of - interval '3 days'
        ) as product_views_3d,
        max(
            case
                when
                    event_name = 'product_view' and occurred_at >= as_of - interval '3 days'
                    then price
            end
        ) as top_price_viewed_3d,
        sum(
            case
                when
                    event_name = 'time_on_page' and occurred_at >= as_of - interval '3 days'
                    then seconds
                else 0
            end
        ) as seconds_on_page_3d,
        count_if(is_in_cart) as open_cart_adds,
        round(
            sum(case when is_in_cart then coalesce(price, 0) * quantity else 0 end), 6
        ) as open_cart_value,
        count_if(
            event_name = 'product_view'
            {# Null counts as false: DuckDB returns null if all values are null. #}
            and coalesce(occurred_at > last_cart_at and category <> cart_category, false)
        ) as views_beside_cart,
        max(
            case
                when
                    event_name = 'product_view'
                    and occurred_at > last_cart_at
                    and category <> cart_category
                    then price
            end
        ) as top_price_beside_cart,
        max(last_cart_at) as last_cart_at,
        count_if(
            event_name = 'product_search' and occurred_at >= as_of - interval '90 days'
        ) as searches_90d,
        count_if(
            event_name = 'product_view' and occurred_at >= as_of - interval '90 days'
        ) as product_views_90d,
        count_if(
            event_name = 'email_click' and occurred_at >= as_of - interval '90 days'
        ) as email_clicks_90d,
        count_if(
            event_name = 'feature_use' and occurred_at >= as_of - interval '90 days'
        ) as feature_uses_90d
    from cart_comparisons
    group by profile_id, as_of

),

from_key_features as (

    select
        visible_actions.profile_id,
        visible_actions.as_of,
        count(distinct key_features.feature) as key_features_used
    from visible_actions
    inner join key_features
        on visible_actions.feature = key_features.feature
    where visible_actions.event_name = 'feature_use'
    group by visible_actions.profile_id, visible_actions.as_of

),

seen_sessions as (

    select
        feature_spine.profile_id,
        feature_spine.as_of,
        fct_sessions.started_at,
        fct_sessions.platform,
        case
            when
                fct_sessions.ended_at
                + interval '{{ var("session_timeout_minutes") }} minutes' < feature_spine.as_of
                then datediff('microsecond', fct_sessions.started_at, fct_sessions.ended_at)
        end as closed_microseconds
    from feature_spine
    inner join fct_sessions
        on
            feature_spine.profile_id = fct_sessions.profile_id
            and feature_spine.as_of > fct_sessions.started_at
            and fct_sessions.started_at >= feature_spine.as_of - interval '90 days'

),

from_sessions as (

    select
        profile_id,
        as_of,
        count_if(started_at >= as_of - interval '30 days') as frequency_30d,
        count(*) as sessions_90d,
        count_if(platform = 'app') as app_sessions_90d,
        cast(sum(closed_microseconds) as double) as closed_microseconds,
        count(closed_microseconds) as closed_sessions
    from seen_sessions
    group by profile_id, as_of

)

select
    feature_spine.profile_id,
    feature_spine.as_of,
    feature_spine.is_for_serving,
    feature_spine.is_for_churn,
    feature_spine.is_for_bundle_purchase,
    cast(feature_spine.as_of as date) - cast(from_events.last_action_at as date) as recency,
    coalesce(from_sessions.frequency_30d, 0) as frequency_30d,
    round(coalesce(from_events.monetary_value_90d, 0), 6) as monetary_value_90d,
    coalesce(from_key_features.key_features_used, 0)
    / nullif(cast(key_feature_total.key_feature_count as double), 0) as feature_adoption_rate,
    coalesce(from_events.support_tickets_60d, 0) as support_tickets_60d,
    coalesce(
        from_sessions.closed_microseconds / nullif(from_sessions.closed_sessions, 0), 0
    ) / 60000000 as avg_session_duration,
    coalesce(from_events.purchases_30d, 0) as purchases_30d,
    coalesce(from_events.purchases_90d, 0) as purchases_90d,
    round(
        coalesce(from_events.monetary_value_90d / nullif(from_events.purchases_90d, 0), 0), 6
    ) as avg_order_value_90d,
    coalesce(from_events.coupons_90d, 0) as coupons_90d,
    cast(feature_spine.as_of as date) - cast(from_events.first_event_at as date) as days_known,
    from_events.active_days_30d,
    from_events.active_days_prior_30d,
    from_events.page_views_30d,
    from_events.searches_30d,
    from_events.product_views_30d,
    from_events.cart_adds_30d,
    from_events.email_clicks_30d,
    from_events.feature_uses_30d,
    from_events.product_views_3d,
    coalesce(from_events.top_price_viewed_3d, 0) as top_price_viewed_3d,
    round(from_events.seconds_on_page_3d, 6) as seconds_on_page_3d,
    from_events.open_cart_adds,
    from_events.open_cart_value,
    from_events.views_beside_cart,
    datediff('microsecond', from_events.last_action_at, feature_spine.as_of) / 60000000.0
        as minutes_since_last_event,
    coalesce(from_events.top_price_beside_cart, 0) as top_price_beside_cart,
    {#
        One view of another product is not a search, several are; a visitor who came back later
        moved on.
    #}
    case
        when
            from_events.views_beside_cart >= 2
            and from_events.last_action_at < from_events.last_cart_at + interval '3 hours'
            then from_events.open_cart_value + coalesce(from_events.top_price_beside_cart, 0)
        else 0
    end as bundle_value_in_reach,
    {#
        Not the time up to `as_of`: inactivity is a weak sign, but a return without a purchase is a
        strong one.
    #}
    datediff('microsecond', from_events.last_cart_at, from_events.last_action_at) / 3600000000.0
        as hours_active_after_cart_add,
    from_events.searches_90d,
    from_events.product_views_90d,
    from_events.email_clicks_90d,
    from_events.feature_uses_90d,
    coalesce(from_sessions.sessions_90d, 0) as sessions_90d,
    coalesce(from_sessions.app_sessions_90d, 0) as app_sessions_90d,
    from_events.active_days_ever,
    from_events.orders_ever,
    round(from_events.monetary_value_ever, 6) as monetary_value_ever,
    cast(feature_spine.as_of as date) - cast(from_events.last_purchase_at as date)
        as days_since_last_order,
    {# A single order has no interval. #}
    case
        when from_events.orders_ever > 1
            then
                datediff('microsecond', from_events.first_purchase_at, from_events.last_purchase_at)
                / 86400000000.0 / (from_events.orders_ever - 1)
    end as days_between_orders
from feature_spine
inner join from_events
    on
        feature_spine.profile_id = from_events.profile_id
        and feature_spine.as_of = from_events.as_of
left join from_key_features
    on
        feature_spine.profile_id = from_key_features.profile_id
        and feature_spine.as_of = from_key_features.as_of
left join from_sessions
    on
        feature_spine.profile_id = from_sessions.profile_id
        and feature_spine.as_of = from_sessions.as_of
cross join key_feature_total
