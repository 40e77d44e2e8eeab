{#
    Sizes by running sums over what changes on a day, so that the work grows with the number of
    stays, and not with that of people and days.
#}
with data_clock as (

    {# The clock is after the last microsecond that a build sees. #}
    select
        as_of,
        cast(as_of - interval '1 microsecond' as date) as last_day
    from {{ ref('data_clock') }}

),

stays as (

    select
        segment_stays.profile_id,
        segment_stays.segment_name,
        segment_stays.entered_at,
        cast(segment_stays.entered_at as date) as entered_on,
        cast(segment_stays.left_at as date) as left_on,
        cast(
            coalesce(segment_stays.left_at, data_clock.as_of) - interval '1 microsecond' as date
        ) as last_day_in
    from {{ ref('segment_stays') }} as segment_stays
    cross join data_clock

),

former_stays as (

    select
        *,
        lag(last_day_in) over (
            partition by profile_id, segment_name order by entered_at
        ) as former_last_day_in
    from stays

),

{# Somebody who returns on a day on which they were already in is counted once. #}
days_in as (

    select
        segment_name,
        last_day_in,
        case
            when former_last_day_in = entered_on then entered_on + 1
            else entered_on
        end as first_day_in
    from former_stays

),

all_changes as (

    select
        segment_name,
        entered_on as day,
        1 as entries,
        0 as exits,
        0 as profiles
    from stays
    union all
    select
        segment_name,
        left_on as day,
        0 as entries,
        1 as exits,
        0 as profiles
    from stays
    where left_on is not null
    union all
    select
        segment_name,
        first_day_in as day,
        0 as entries,
        0 as exits,
        1 as profiles
    from days_in
    union all
    select
        segment_name,
        last_day_in + 1 as day,
        0 as entries,
        0 as exits,
        -1 as profiles
    from days_in

),

changes as (

    select
        segment_name,
        day,
        cast(sum(entries) as bigint) as entries,
        cast(sum(exits) as bigint) as exits,
        cast(sum(profiles) as bigint) as profiles
    from all_changes
    group by segment_name, day

),

{# Each live segment from the day of its first member on, or for the last day alone. #}
first_days as (

    select
        segments.segment_name,
        case
            when segments.without_intervals_because is null then 'intervals' else 'history'
        end as known_from,
        data_clock.as_of,
        data_clock.last_day,
        coalesce(min(changes.day), data_clock.last_day) as first_day
    from {{ ref('segments') }} as segments
    cross join data_clock
    left join changes
        on segments.segment_name = changes.segment_name
    where segments.lifecycle = 'live'
    group by
        segments.segment_name,
        segments.without_intervals_because,
        data_clock.as_of,
        data_clock.last_day

),

lengths as (

    select
        *,
        {{ dbt.datediff('first_day', 'last_day', 'day') }}
        + 1 as day_count
    from first_days

),

{# 400,000 are more days than from the year 1970 to 2999. #}
numbers as (

    select cast(generated_number as integer) as number
    from ({{ dbt.generate_series(400000) }}) as series
    where generated_number <= (select max(day_count) from lengths)

),

segment_days as (

    select
        lengths.*,
        cast({{ dbt.dateadd('day', 'numbers.number - 1', 'lengths.first_day') }} as date) as day
    from lengths
    inner join numbers
        on lengths.day_count >= numbers.number

),

sizes as (

    select
        segment_days.segment_name,
        segment_days.day,
        segment_days.known_from,
        segment_days.as_of,
        cast(segment_days.day + 1 as timestamp) as next_day_at,
        coalesce(changes.entries, 0) as entries,
        coalesce(changes.exits, 0) as exits,
        coalesce(changes.profiles, 0) as profiles
    from segment_days
    left join changes
        on
            segment_days.segment_name = changes.segment_name
            and segment_days.day = changes.day

)

select
    segment_name,
    day,
    cast(sum(entries - exits) over (
        partition by segment_name order by day
        rows between unbounded preceding and current row
    ) as bigint) as profile_count,
    entries,
    exits,
    cast(sum(profiles) over (
        partition by segment_name order by day
        rows between unbounded preceding and current row
    ) as bigint) as profiles_in_day,
    known_from,
    least(next_day_at, as_of) as measured_at,
    next_day_at <= as_of as is_whole_day
from sizes
