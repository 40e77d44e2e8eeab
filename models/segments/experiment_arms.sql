{#
    The arm of each current profile. The first exposure decides it, also if a merge has joined
    people of two arms: to leave these out would change the people of the smaller arm most.
#}
with assignments as (

    select
        experiment_name,
        profile_id,
        arm,
        share,
        arms,
        exposed_at,
        true as is_assigned
    from {{ ref('experiment_assignments') }}
    union all
    {# A run as of the past assigns nobody, but holds out whom it would. #}
    select
        experiment_name,
        profile_id,
        arm,
        share,
        arms,
        as_of as exposed_at,
        false as is_assigned
    from {{ ref('experiment_exposures') }}
    where {{ 'true' if var('as_of') else 'false' }}

),

current_assignments as (

    select
        assignments.*,
        profile_aliases.current_profile_id,
        min(case when assignments.is_assigned then assignments.arm end) over (
            partition by assignments.experiment_name, profile_aliases.current_profile_id
        ) as first_arm,
        max(case when assignments.is_assigned then assignments.arm end) over (
            partition by assignments.experiment_name, profile_aliases.current_profile_id
        ) as last_arm
    from assignments
    inner join {{ ref('profile_aliases') }} as profile_aliases
        on assignments.profile_id = profile_aliases.profile_id
    where profile_aliases.current_profile_id is not null

)

select
    current_assignments.experiment_name,
    current_assignments.current_profile_id as profile_id,
    current_assignments.arm,
    current_assignments.share,
    current_assignments.arms,
    current_assignments.exposed_at,
    coalesce(
        current_assignments.first_arm <> current_assignments.last_arm, false
    ) as is_crossed,
    coalesce(experiments.is_running, false) as is_running,
    coalesce(experiments.is_running, false)
    and current_assignments.arm = 'held_out' as is_held_out
from current_assignments
left join {{ ref('experiments') }} as experiments
    on current_assignments.experiment_name = experiments.experiment_name
qualify
    row_number() over (
        partition by current_assignments.experiment_name, current_assignments.current_profile_id
        order by
            current_assignments.is_assigned desc,
            current_assignments.exposed_at asc,
            current_assignments.profile_id asc
    ) = 1
