{# Of all who were exposed, delivered or not. docs/reference/experiments.md has the formulas. #}
{% set plan = seed_rows(ref('tracking_plan'), ['event_name', 'property', 'property_type']) %}
{% set outcomes = [] %}
{# Wrong outcomes of a draft stop the build too. #}
{% for experiment in declared_experiments() %}
{% for outcome in experiment.spec.outcomes %}
{% set place = experiment.place ~ ': outcome `' ~ outcome.name ~ '`' %}
{% set filters = event_filters(place, outcome, plan) %}
{% if experiment.spec.lifecycle != 'draft' %}
{% do outcomes.append((experiment, outcome, filters | join(' and ') or 'true')) %}
{% endif %}
{% endfor %}
{% endfor %}

with experiments as (

    select * from {{ ref('experiments') }}

),

data_clock as (

    select * from {{ ref('data_clock') }}

),

people as (

    select experiment_arms.*
    from {{ ref('experiment_arms') }} as experiment_arms
    cross join data_clock
    where experiment_arms.exposed_at <= data_clock.as_of

),

{# Expected are the shares at the time of each assignment, whatever they are now. #}
shares as (

    select
        experiment_name,
        arms,
        arm,
        min(share) as share,
        sum(count(*)) over (partition by experiment_name, arms) as people_of_all_arms
    from people
    group by experiment_name, arms, arm

),

expectations as (

    select
        experiment_name,
        arm,
        sum(people_of_all_arms * share) as expected_people,
        sum(people_of_all_arms * share * (1 - share)) as variance
    from shares
    group by experiment_name, arm

),

sizes as (

    select
        experiment_name,
        arm,
        count(*) as exposed_people,
        count(case when is_crossed then 1 end) as crossed_people
    from people
    group by experiment_name, arm

),

{# A difference that chance makes at one look in a thousand. #}
ratios as (

    select
        sizes.*,
        expectations.expected_people,
        expectations.variance >= 10
        and abs(sizes.exposed_people - expectations.expected_people)
        > 3.29 * sqrt(expectations.variance) as is_off
    from sizes
    inner join expectations
        on
            sizes.experiment_name = expectations.experiment_name
            and sizes.arm = expectations.arm

),

events as (

    select
        profile_timeline.profile_id,
        profile_timeline.event_name,
        profile_timeline.occurred_at,
        profile_timeline.source,
        profile_timeline.platform,
        profile_timeline.context,
        profile_timeline.properties
    from {{ ref('profile_timeline') }} as profile_timeline
    where profile_timeline.profile_id in (select people.profile_id from people)

),

outcome_events as (

    {% for experiment, outcome, filters in outcomes %}
    select
        '{{ experiment.name }}' as experiment_name,
        '{{ outcome.name }}' as outcome_name,
        profile_id,
        occurred_at,
        {% if outcome.property %}
        {{ try_number(json_text('properties', outcome.property) | trim) }} as amount
        {% else %}
        cast(null as double) as amount
        {% endif %}
    from events
    where {{ filters }}
    {{ 'union all' if not loop.last }}
    {% else %}
    select
        cast(null as varchar) as experiment_name,
        cast(null as varchar) as outcome_name,
        profile_id,
        occurred_at,
        cast(null as double) as amount
    from events
    where false
    {% endfor %}

),

exposures as (

    {% for experiment, outcome, filters in outcomes %}
    select
        experiment_name,
        '{{ outcome.name }}' as outcome_name,
        {{ (outcome.property is not none) | lower }} as has_value,
        cast({{ outcome.least_lift }} as double) as least_lift,
        profile_id,
        arm,
        exposed_at,
        exposed_at + interval '{{ outcome.within }}' as measured_until
    from people
    where experiment_name = '{{ experiment.name }}'
    {{ 'union all' if not loop.last }}
    {% else %}
    select
        experiment_name,
        cast(null as varchar) as outcome_name,
        false as has_value,
        cast(null as double) as least_lift,
        profile_id,
        arm,
        exposed_at,
        exposed_at as measured_until
    from people
    where false
    {% endfor %}

),

{# Who is exposed later has had less time, so only whole windows are compared. #}
measured_people as (

    select
        exposures.experiment_name,
        exposures.outcome_name,
        exposures.has_value,
        exposures.least_lift,
        exposures.arm,
        exposures.profile_id,
        exposures.measured_until <= data_clock.as_of as is_measured,
        count(outcome_events.occurred_at) > 0 as is_converted,
        round(coalesce(sum(outcome_events.amount), 0), 6) as amount
    from exposures
    cross join data_clock
    left join outcome_events
        on
            exposures.experiment_name = outcome_events.experiment_name
            and exposures.outcome_name = outcome_events.outcome_name
            and exposures.profile_id = outcome_events.profile_id
            and exposures.exposed_at <= outcome_events.occurred_at
            and exposures.measured_until > outcome_events.occurred_at
    group by
        exposures.experiment_name,
        exposures.outcome_name,
        exposures.has_value,
        exposures.least_lift,
        exposures.arm,
        exposures.profile_id,
        exposures.measured_until,
        data_clock.as_of

),

measurements as (

    select
        *,
        'rate' as measure,
        case when is_converted then cast(1 as double) else cast(0 as double) end as number
    from measured_people
    union all
    select
        *,
        'value' as measure,
        amount as number
    from measured_people
    where has_value

),

results as (

    select
        experiment_name,
        outcome_name,
        measure,
        arm,
        least_lift,
        count(case when is_measured then 1 end) as measured_people,
        count(case when not is_measured then 1 end) as waiting_people,
        count(case when is_measured and is_converted then 1 end) as converters,
        avg(case when is_measured then number end) as mean,
        var_samp(case when is_measured then number end) as variance
    from measurements
    group by experiment_name, outcome_name, measure, arm, least_lift

),

compared as (

    select
        results.*,
        held_out.measured_people as held_out_people,
        held_out.converters as held_out_converters,
        held_out.mean as held_out_mean,
        held_out.variance as held_out_variance,
        sum(results.waiting_people) over (
            partition by results.experiment_name, results.outcome_name
        ) as all_waiting_people,
        case
            when results.measured_people > 1 and held_out.measured_people > 1
                then {{ standard_errors(
                    'cast(results.measured_people as double)', 'held_out.measured_people'
                ) }}
        end as errors,
        {# Few values of a skewed kind are often less spread than they should be. #}
        case
            when results.measured_people > 1 and held_out.measured_people > 1
                then (
                    (results.measured_people - 1) * results.variance
                    + (held_out.measured_people - 1) * held_out.variance
                ) / (results.measured_people + held_out.measured_people - 2)
        end as pooled_variance
    from results
    left join results as held_out
        on
            results.arm <> 'held_out'
            and results.experiment_name = held_out.experiment_name
            and results.outcome_name = held_out.outcome_name
            and results.measure = held_out.measure
            and held_out.arm = 'held_out'

),

bounds as (

    select
        *,
        mean - held_out_mean as raw_difference,
        {{ bound_of('mean', 'variance', 'measured_people', -1) | indent(8) }} as low,
        {{ bound_of('mean', 'variance', 'measured_people', 1) | indent(8) }} as high,
        {{ bound_of('held_out_mean', 'held_out_variance', 'held_out_people', -1) | indent(8) }}
            as held_out_low,
        {{ bound_of('held_out_mean', 'held_out_variance', 'held_out_people', 1) | indent(8) }}
            as held_out_high
    from compared

),

differences as (

    select
        *,
        round(
            raw_difference - sqrt(power(mean - low, 2) + power(held_out_high - held_out_mean, 2)), 6
        ) as difference_low,
        round(
            raw_difference + sqrt(power(high - mean, 2) + power(held_out_mean - held_out_low, 2)), 6
        ) as difference_high
    from bounds

),

judged as (

    select
        differences.*,
        ratios.exposed_people,
        ratios.crossed_people,
        ratios.expected_people,
        {# With fewer, the intervals are not right. #}
        differences.measured_people >= 100
        and differences.held_out_people >= 100
        and case differences.measure
            when 'rate' then differences.converters + differences.held_out_converters >= 20
            else least(differences.converters, differences.held_out_converters) >= 10
        end as has_enough,
        max(case when ratios.is_off then 1 else 0 end) over (
            partition by differences.experiment_name
        ) = 1 as is_ratio_off,
        not experiments.is_running and differences.all_waiting_people = 0 as is_over
    from differences
    inner join ratios
        on
            differences.experiment_name = ratios.experiment_name
            and differences.arm = ratios.arm
    inner join experiments
        on differences.experiment_name = experiments.experiment_name

)

select
    judged.experiment_name,
    judged.outcome_name,
    judged.measure,
    judged.arm,
    judged.exposed_people,
    round(judged.expected_people, 6) as expected_people,
    judged.crossed_people,
    judged.waiting_people,
    judged.measured_people,
    judged.converters,
    round(judged.mean, 6) as mean,
    round(judged.raw_difference, 6) as difference,
    judged.difference_low,
    judged.difference_high,
    case
        when judged.held_out_mean > 0
            then round(judged.raw_difference / judged.held_out_mean, 6)
    end as lift,
    judged.is_ratio_off,
    case
        when judged.arm = 'held_out' then null
        when judged.is_ratio_off then 'sample ratio is off'
        when judged.has_enough and judged.difference_low > 0 then 'higher'
        when judged.has_enough and judged.difference_high < 0 then 'lower'
        when
            judged.has_enough
            and judged.difference_low >= -judged.least_lift * judged.held_out_mean
            and judged.difference_high <= judged.least_lift * judged.held_out_mean
            then 'no difference seen'
        when judged.is_over then 'undecided'
        else 'too early'
    end as verdict,
    data_clock.as_of
from judged
cross join data_clock
