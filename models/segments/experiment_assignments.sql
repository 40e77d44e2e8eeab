{#
    Who was first exposed in this build, with the arm. A build appends them; nothing moves them
    later. An earlier id of a merged profile counts for the current one. A segment out of its
    expected size stops the build before this table.
#}
-- depends_on: {{ ref('profile_aliases') }}, {{ ref('segment_size_alerts') }}
with exposures as (

    {# A run as of the past assigns nobody. #}
    select * from {{ ref('experiment_exposures') }}
    where {{ 'false' if var('as_of') else 'true' }}

),

global_holdouts as (

    select experiment_name from {{ ref('experiments') }}
    where segments = '*' and is_running

),

assigned as (

    {% if is_incremental() %}
    select
        assignments.experiment_name,
        assignments.arm,
        profile_aliases.current_profile_id as profile_id
    from {{ this }} as assignments
    inner join {{ ref('profile_aliases') }} as profile_aliases
        on assignments.profile_id = profile_aliases.profile_id
    where profile_aliases.current_profile_id is not null
    qualify
        row_number() over (
            partition by assignments.experiment_name, profile_aliases.current_profile_id
            order by assignments.exposed_at, assignments.profile_id
        ) = 1
    {% else %}
    select
        experiment_name,
        arm,
        profile_id
    from exposures
    where false
    {% endif %}

),

new_exposures as (

    select exposures.*
    from exposures
    left join assigned
        on
            exposures.experiment_name = assigned.experiment_name
            and exposures.profile_id = assigned.profile_id
    where assigned.profile_id is null

),

{# Whom the global holdout holds out cannot be treated in another experiment. #}
held_out_of_all as (

    select
        experiment_name,
        profile_id
    from assigned
    where
        arm = 'held_out'
        and experiment_name in (select global_holdouts.experiment_name from global_holdouts)
    union all
    select
        experiment_name,
        profile_id
    from new_exposures
    where
        arm = 'held_out'
        and experiment_name in (select global_holdouts.experiment_name from global_holdouts)

)

select
    new_exposures.experiment_name,
    new_exposures.profile_id,
    new_exposures.arm,
    new_exposures.share,
    new_exposures.draw,
    new_exposures.arms,
    new_exposures.as_of as exposed_at
from new_exposures
left join held_out_of_all
    on new_exposures.profile_id = held_out_of_all.profile_id
where
    held_out_of_all.profile_id is null
    or held_out_of_all.experiment_name = new_exposures.experiment_name
