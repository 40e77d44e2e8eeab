select
    profile_timeline.event_name,
    max(profile_timeline.occurred_at) as occurred_at
from {{ ref('profile_timeline') }} as profile_timeline
cross join {{ ref('data_clock') }} as data_clock
where profile_timeline.occurred_at < data_clock.as_of
group by profile_timeline.event_name
