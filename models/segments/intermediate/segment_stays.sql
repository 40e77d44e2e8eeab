{#
    Every stay of a person in a live segment before the data clock: from the intervals if the rule
    has them, else from what builds have found, by the profiles of today. An instant stands for a
    build whose clock is a microsecond later (decision 19), so a build finds the state of the
    microsecond before its clock.
#}
{% set reads_history = [] %}
{% for rule in exact_declarations().rules if rule.because %}
{% do reads_history.append(text_literal(rule.name)) %}
{% endfor %}

with data_clock as (

    select * from {{ ref('data_clock') }}

),

segment_intervals as (

    select * from {{ ref('segment_intervals') }}

),

{#
    The members of today go on from the data clock, whatever the history says: a run may build them
    without it, and a build as of the past does not read it.
#}
periods as (

    select
        profile_id,
        segment_name,
        as_of as valid_from,
        cast(null as timestamp) as valid_to
    from {{ ref('segment_memberships') }}
    {% if not var('as_of') %}
    union all
    select
        history.profile_id,
        history.segment_name,
        history.dbt_valid_from as valid_from,
        coalesce(history.dbt_valid_to, data_clock.as_of) as valid_to
    from {{ ref('segment_membership_history') }} as history
    cross join data_clock
    {% endif %}

),

{# A time of the history is after the clock if the clock has not moved since, or has gone back. #}
found as (

    select
        coalesce(dim_profiles.profile_id, profile_aliases.current_profile_id) as profile_id,
        periods.segment_name,
        periods.valid_from as found_from,
        case
            when periods.valid_to < data_clock.as_of then periods.valid_to
            when periods.valid_to is not null then data_clock.as_of
        end as found_to
    from periods
    cross join data_clock
    left join {{ ref('dim_profiles') }} as dim_profiles
        on periods.profile_id = dim_profiles.profile_id
    left join {{ ref('profile_aliases') }} as profile_aliases
        on periods.profile_id = profile_aliases.profile_id
    where periods.segment_name in ({{ reads_history | join(', ') or "''" }})

),

{# Rows that overlap or touch are one stay: another label, or profiles that are now one person. #}
former_found as (

    select
        *,
        max(coalesce(found_to, timestamp '9999-12-31 00:00:00')) over (
            partition by profile_id, segment_name order by found_from, found_to
            rows between unbounded preceding and 1 preceding
        ) as former_found_to
    from found
    where profile_id is not null and (found_to is null or found_to > found_from)

),

numbered as (

    select
        *,
        sum(case when former_found_to >= found_from then 0 else 1 end) over (
            partition by profile_id, segment_name order by found_from
            range between unbounded preceding and current row
        ) as stay_number
    from former_found

),

found_stays as (

    select
        profile_id,
        segment_name,
        min(found_from) - interval '1 microsecond' as entered_at,
        case
            when count(found_to) = count(*) then max(found_to) - interval '1 microsecond'
        end as left_at
    from numbered
    group by profile_id, segment_name, stay_number

)

select
    segment_intervals.profile_id,
    segment_intervals.segment_name,
    'intervals' as known_from,
    segment_intervals.valid_from as entered_at,
    case
        when segment_intervals.valid_to < data_clock.as_of then segment_intervals.valid_to
    end as left_at
from segment_intervals
cross join data_clock
where segment_intervals.valid_from < data_clock.as_of
union all
select
    profile_id,
    segment_name,
    'history' as known_from,
    entered_at,
    left_at
from found_stays
