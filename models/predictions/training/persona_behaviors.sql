{#
    How people behave, not how much they did: rates and shares over 90 days, for everybody who
    visited in that time. One empty visit (or order) is added to each denominator, so that a single
    busy visit makes nobody extreme.
#}
with profile_features as (

    select
        *,
        sessions_90d + 1 as visits,
        purchases_90d + 1 as orders,
        least(greatest(days_known, 7), 90) as days_in_90,
        least(greatest(days_known, 7), 60) as days_in_60
    from {{ ref('profile_features') }}
    where is_for_serving and sessions_90d > 0

)

select
    profile_id,
    as_of,
    sessions_90d >= 2 as is_for_training,
    cast(app_sessions_90d as double) / visits as app_share,
    avg_order_value_90d as avg_order_value,
    cast(coupons_90d as double) / orders as coupon_share,
    cast(email_clicks_90d as double) * 7 / days_in_90 as email_clicks_per_week,
    cast(feature_uses_90d as double) / visits as feature_uses_per_visit,
    avg_session_duration as minutes_per_visit,
    cast(purchases_90d as double) / visits as orders_per_visit,
    cast(product_views_90d as double) / visits as product_views_per_visit,
    cast(searches_90d as double) / visits as searches_per_visit,
    cast(support_tickets_60d as double) * 30 / days_in_60 as support_tickets_per_month,
    cast(sessions_90d as double) * 7 / days_in_90 as visits_per_week
from profile_features
