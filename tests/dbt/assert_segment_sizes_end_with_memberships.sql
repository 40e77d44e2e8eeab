{# The history of sizes and the times of people end with the members of today. #}
with last_days as (

    select
        segment_name,
        max(day) as day
    from {{ ref('segment_sizes') }}
    group by segment_name

),

last_sizes as (

    select
        segment_sizes.segment_name,
        segment_sizes.profile_count
    from {{ ref('segment_sizes') }} as segment_sizes
    inner join last_days
        on
            segment_sizes.segment_name = last_days.segment_name
            and segment_sizes.day = last_days.day
    inner join {{ ref('data_clock') }} as data_clock
        on segment_sizes.measured_at = data_clock.as_of

),

members as (

    select
        segment_name,
        count(*) as profile_count
    from {{ ref('profile_segment_times') }}
    where is_in
    group by segment_name

)

select
    segments.segment_name,
    segments.profile_count,
    last_sizes.profile_count as last_size,
    coalesce(members.profile_count, 0) as members
from {{ ref('segments') }} as segments
left join last_sizes
    on segments.segment_name = last_sizes.segment_name
left join members
    on segments.segment_name = members.segment_name
where
    segments.lifecycle = 'live'
    and (
        last_sizes.profile_count is null
        or last_sizes.profile_count <> segments.profile_count
        or coalesce(members.profile_count, 0) <> segments.profile_count
    )
