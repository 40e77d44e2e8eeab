{#
    Where people went: each exit with the next entry of the person on the same day. In an exclusive
    group the next entry is at the same instant.
#}
with segment_stays as (

    select * from {{ ref('segment_stays') }}

),

edges as (

    select
        profile_id,
        known_from,
        segment_name,
        entered_at as happened_at,
        true as is_entry
    from segment_stays
    union all
    select
        profile_id,
        known_from,
        segment_name,
        left_at as happened_at,
        false as is_entry
    from segment_stays
    where left_at is not null

),

{# What builds found is only compared with itself: its instants are those of builds. #}
next_entries as (

    select
        *,
        min(case when is_entry then happened_at end) over (
            partition by profile_id, known_from order by happened_at
            range between current row and unbounded following
        ) as next_entered_at
    from edges

),

exits as (

    select
        profile_id,
        known_from,
        segment_name,
        happened_at,
        case
            when cast(next_entered_at as date) = cast(happened_at as date) then next_entered_at
        end as next_entered_at
    from next_entries
    where not is_entry

),

entries as (

    select * from edges
    where is_entry

),

moves as (

    select
        coalesce(exits.profile_id, entries.profile_id) as profile_id,
        coalesce(exits.known_from, entries.known_from) as known_from,
        cast(coalesce(exits.happened_at, entries.happened_at) as date) as day,
        exits.segment_name as from_segment_name,
        entries.segment_name as to_segment_name
    from exits
    full outer join entries
        on
            exits.profile_id = entries.profile_id
            and exits.known_from = entries.known_from
            and exits.next_entered_at = entries.happened_at

)

select
    day,
    from_segment_name,
    to_segment_name,
    known_from,
    count(*) as moves,
    count(distinct profile_id) as profile_count
from moves
group by day, from_segment_name, to_segment_name, known_from
