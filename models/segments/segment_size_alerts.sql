{# Sizes that a declaration does not expect, with the numbers and the likely cause. #}
{% set segments = live_segments() | selectattr('spec.expected') | list %}
{% set rules = {} %}
{% for rule in exact_declarations().rules %}{% do rules.update({rule.name: rule}) %}{% endfor %}

with expectations as (

    {% for segment in segments %}
    {% set expected, because = segment.spec.expected, rules[segment.name].because %}
    {% if expected.change and because %}
    {{ exceptions.raise_compiler_error(
        segment.place ~ ': `expected`: `change` needs a rule with intervals, but ' ~ because
        ~ '; remove `change`'
    ) }}
    {% endif %}
    select
        '{{ segment.name }}' as segment_name,
        {{ expected.least }} as least,
        {{ expected.most if expected.most is not none else 'cast(null as integer)' }} as most,
        {{ 'cast(' ~ (expected.change or 'null') ~ ' as double)' }} as most_change,
        {{ (expected.otherwise == 'stop') | lower }} as is_stopped
    {{ 'union all' if not loop.last }}
    {% else %}
    select
        cast(null as varchar) as segment_name,
        0 as least,
        0 as most,
        cast(null as double) as most_change,
        false as is_stopped
    where false
    {% endfor %}

),

sizes_a_day_before as (

    select
        segment_intervals.segment_name,
        count(*) as profile_count
    from {{ ref('segment_intervals') }} as segment_intervals
    cross join {{ ref('data_clock') }} as data_clock
    where
        segment_intervals.valid_from < data_clock.as_of - interval '1 day'
        and (
            segment_intervals.valid_to is null
            or segment_intervals.valid_to >= data_clock.as_of - interval '1 day'
        )
    group by segment_intervals.segment_name

),

sizes as (

    select
        expectations.*,
        segments.owner,
        segments.profile_count,
        (select count(*) from {{ ref('dim_profiles') }}) as all_profiles,
        coalesce(sizes_a_day_before.profile_count, 0) as profile_count_before,
        data_clock.as_of
    from expectations
    inner join {{ ref('segments') }} as segments
        on expectations.segment_name = segments.segment_name
    left join sizes_a_day_before
        on expectations.segment_name = sizes_a_day_before.segment_name
    cross join {{ ref('data_clock') }} as data_clock

),

findings as (

    select
        *,
        case
            when profile_count < least
                then 'its size is ' || profile_count || '; at least ' || least || ' is expected'
            when profile_count > most
                then 'its size is ' || profile_count || '; at most ' || most || ' is expected'
            when most is null and profile_count = all_profiles and profile_count > 0
                then 'everybody is in it, all ' || profile_count
            when
                abs(profile_count - profile_count_before)
                > most_change * greatest(profile_count_before, 1)
                then
                    'its size is ' || profile_count || '; a day before it was '
                    || profile_count_before || '; a change of at most '
                    || round(most_change * 100) || '% is expected'
        end as finding
    from sizes

)

select
    segment_name,
    owner,
    finding,
    profile_count,
    is_stopped,
    as_of
from findings
where finding is not null
