{#
    Whom a build can deliver or hold out: the members of the segments of a running experiment, with
    the arms that the shares of today give them. Who has an arm already keeps it.
#}
with experiment_segments as (

    {{ experiment_segments() }}

),

experiments as (

    select * from {{ ref('experiments') }}
    where is_running

),

members as (

    select distinct
        experiments.experiment_name,
        experiments.arms,
        segment_memberships.profile_id,
        md5(experiments.experiment_name || ':' || segment_memberships.profile_id) as hash
    from {{ ref('segment_memberships') }} as segment_memberships
    inner join experiment_segments
        on segment_memberships.segment_name = experiment_segments.segment_name
    inner join experiments
        on experiment_segments.experiment_name = experiments.experiment_name

),

draws as (

    select
        *,
        {{ draw_of('hash') }} as draw
    from members

),

ranges as (

    {% set ranges = [] %}
    {% for experiment in live_experiments() %}
    {% for arm, from, to in experiment.ranges %}
    {% do ranges.append((experiment, arm, from, to)) %}
    {% endfor %}
    {% endfor %}
    {% for experiment, arm, from, to in ranges %}
    select
        '{{ experiment.name }}' as experiment_name,
        '{{ arm }}' as arm,
        cast({{ experiment.spec.arms[arm] }} as double) as share,
        cast({{ from }} as double) as draw_from,
        cast({{ to }} as double) as draw_to
    {{ 'union all' if not loop.last }}
    {% else %}
    select
        cast(null as varchar) as experiment_name,
        cast(null as varchar) as arm,
        cast(null as double) as share,
        cast(null as double) as draw_from,
        cast(null as double) as draw_to
    where false
    {% endfor %}

)

select
    draws.experiment_name,
    draws.profile_id,
    draws.draw,
    draws.arms,
    ranges.arm,
    ranges.share,
    data_clock.as_of
from draws
inner join ranges
    on
        draws.experiment_name = ranges.experiment_name
        and draws.draw >= ranges.draw_from
        and draws.draw < ranges.draw_to
cross join {{ ref('data_clock') }} as data_clock
