{{ config(materialized='view') }}

with int_sessions as (

    select * from {{ ref('int_sessions') }}

),

identity_map as (

    select * from {{ ref('identity_map') }}

),

data_clock as (

    select * from {{ ref('data_clock') }}

),

{# On a shared device, a session belongs to the holder of the device when it ended. #}
owned_sessions as (

    select
        int_sessions.*,
        identity_map.profile_id
    from int_sessions
    left join identity_map
        on
            int_sessions.stream_type = identity_map.id_type
            and int_sessions.stream_id = identity_map.id_value
            and (
                identity_map.valid_from is null
                or int_sessions.ended_at >= identity_map.valid_from
            )
            and (
                identity_map.valid_to is null
                or int_sessions.ended_at < identity_map.valid_to
            )

),

sessions_by_clock as (

    select
        owned_sessions.*,
        owned_sessions.ended_at + interval '{{ var("session_timeout_minutes") }} minutes'
        >= data_clock.as_of as is_open
    from owned_sessions
    cross join data_clock
    where owned_sessions.started_at < data_clock.as_of

)

select
    session_id,
    profile_id,
    case
        when profile_id is not null
            then row_number() over (partition by profile_id order by started_at, session_id)
    end as session_number,
    stream_type,
    stream_id,
    started_at,
    ended_at,
    datediff('microsecond', started_at, ended_at) / 1000000.0 as duration_seconds,
    engaged_seconds,
    event_count,
    page_view_count,
    search_count,
    product_view_count,
    cart_add_count,
    cart_quantity,
    cart_value,
    order_count,
    revenue,
    platform,
    device,
    landing_path,
    exit_path,
    referrer,
    referrer_host,
    campaign_source,
    campaign_medium,
    campaign_name,
    coalesce(
        campaign_source,
        case when campaign_medium is not null or campaign_name is not null then '(not set)' end,
        referrer_host,
        '(direct)'
    ) as traffic_source,
    coalesce(
        campaign_medium,
        case
            when campaign_source is not null or campaign_name is not null then '(not set)'
            when referrer_host is not null then 'referral'
            else '(none)'
        end
    ) as traffic_medium,
    event_count = 1 as is_bounced,
    order_count > 0 as is_converted,
    is_open,
    cart_quantity > 0 and order_count = 0 and not is_open as is_cart_abandoned,
    updated_at
from sessions_by_clock
