{# A segment with intervals has the same members by its rule and by its intervals. #}
with memberships as (

    select
        segment_memberships.profile_id,
        segment_memberships.segment_name
    from {{ ref('segment_memberships') }} as segment_memberships
    inner join {{ ref('segments') }} as segments
        on segment_memberships.segment_name = segments.segment_name
    where segments.without_intervals_because is null

)

select
    coalesce(memberships.profile_id, intervals.profile_id) as profile_id,
    coalesce(memberships.segment_name, intervals.segment_name) as segment_name,
    memberships.profile_id is not null as is_by_rule,
    intervals.profile_id is not null as is_by_intervals
from memberships
full outer join {{ ref('current_intervals') }} as intervals
    on
        memberships.profile_id = intervals.profile_id
        and memberships.segment_name = intervals.segment_name
where memberships.profile_id is null or intervals.profile_id is null
