with segments as (

    select
        segment_name,
        profile_count
    from {{ ref('segments') }}
    where lifecycle = 'live'

),

segment_memberships as (

    select * from {{ ref('segment_memberships') }}

),

in_both as (

    select
        segment_memberships.segment_name,
        others.segment_name as other_segment_name,
        count(*) as profile_count
    from segment_memberships
    inner join segment_memberships as others
        on
            segment_memberships.profile_id = others.profile_id
            and segment_memberships.segment_name <> others.segment_name
    group by segment_memberships.segment_name, others.segment_name

)

select
    segments.segment_name,
    others.segment_name as other_segment_name,
    coalesce(in_both.profile_count, 0) as profile_count,
    cast(coalesce(in_both.profile_count, 0) as double)
    / nullif(segments.profile_count, 0) as segment_share,
    cast(coalesce(in_both.profile_count, 0) as double)
    / nullif(others.profile_count, 0) as other_share,
    data_clock.as_of
from segments
inner join segments as others
    on segments.segment_name <> others.segment_name
cross join {{ ref('data_clock') }} as data_clock
left join in_both
    on
        segments.segment_name = in_both.segment_name
        and others.segment_name = in_both.other_segment_name
