with segment_stays as (

    select * from {{ ref('segment_stays') }}

),

data_clock as (

    select * from {{ ref('data_clock') }}

),

lengths as (

    select
        segment_stays.*,
        data_clock.as_of,
        {{ dbt.datediff(
            'segment_stays.entered_at',
            'coalesce(segment_stays.left_at, data_clock.as_of)',
            'microsecond'
        ) }} as microseconds
    from segment_stays
    cross join data_clock

)

select
    profile_id,
    segment_name,
    known_from,
    count(*) > count(left_at) as is_in,
    count(*) as stays,
    cast(sum(microseconds) as double) / 1000000 as seconds_in,
    min(entered_at) as first_entered_at,
    max(entered_at) as last_entered_at,
    max(left_at) as last_left_at,
    as_of
from lengths
group by profile_id, segment_name, known_from, as_of
