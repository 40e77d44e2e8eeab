{#
    Rules that read only traits over events, lists and attributes of golden profiles hold on exact
    intervals (docs/reference/segments.md). A trait can change at an event, and a fixed time after
    it, when the event begins or ceases to count; both are instants here. Each rule has its own
    instants and a select of its own, so that its cost does not depend on how many other rules there
    are.
#}
{{
    config(
        materialized='selects',
        incremental_strategy='revised',
        pre_hook='{{ without_progress() }}',
    )
}}

{% set exact = exact_declarations() %}
{% set watermark = revision_watermark() if revisions_are_kept() else none %}
{# `readings_version` reads seeds, which dbt sees only here. #}
{% set _ = trait_plan(), lists_version(), attributes_version() %}
-- depends_on: {{ ref('profile_revisions') }}, {{ ref('trait_readings') }}
-- depends_on: {{ ref('attribute_steps') }}
{% for rule in exact.rules | rejectattr('because') %}
{% set traits = exact.traits | selectattr('name', 'in', rule.traits) | list %}
{% set frequent = traits | selectattr('spec.aggregate', 'equalto', 'most_frequent') | list %}
{% set windowed = traits | reject('in', frequent) | list %}
{# Of these there are steps: the instants from which they have a value, numbered. #}
{% set stepped = frequent | map(attribute='name') | list + rule.attributes | list %}
{% set streaks = windowed | selectattr('spec.aggregate', 'equalto', 'streak') | list %}
{% set with_until = windowed | selectattr('spec.until') | list %}
{% set first = ['event_number = 1'] if rule.is_of_nothing else [] %}
{% set later = later_instants(windowed) %}
{# What a build sees whose data clock is this time is the state just before it. #}
{% set until_frozen = "where happened_at < timestamp '" ~ rule.frozen_at ~ "'"
    if rule.frozen_at %}
{{ next_select() if not loop.first }}
with readings as (

    select
        {% for trait in traits %}
        {{ trait.name }},
        {{ '_ends_' ~ trait.name ~ ',' if trait.spec.until }}
        {{ '_until_' ~ trait.name ~ ',' if trait.spec.until and trait in frequent }}
        {% if is_of_last_event(trait) or trait in streaks %}
        min(case when {{ trait.name }} is not null then occurred_at end) over (
            partition by profile_id order by event_number
            rows between 1 following and unbounded following
        ) as _next_{{ trait.name }},
        {% elif is_of_first_event(trait) %}
        min({{ trait.name }}) over (
            partition by profile_id order by event_number
            rows between unbounded preceding and 1 preceding
        ) as _former_{{ trait.name }},
        {% endif %}
        {% endfor %}
        profile_id,
        case when {{ any_of(rule.events, first) }} then event_id end as event_id,
        occurred_at,
        event_number
    from {{ ref('trait_readings') }}
    where
        ({{ any_of(traits | map(attribute='name') | list + ends_of(traits), first) }})
        {% if watermark is not none %}
        and revision > {{ watermark }}
        {% endif %}

),

{% for trait in frequent %}
{{ most_frequent_steps(trait) }}
{% endfor %}
{% for name in rule.attributes %}
steps_of_{{ name }} as (

    select
        profile_id,
        happened_at,
        event_id,
        value as {{ name }},
        step as _step_{{ name }}
    from {{ ref('attribute_steps') }}
    where
        attribute = '{{ name }}'
        {{ 'and profile_id in (' ~ revised_profiles() ~ ')' if watermark is not none }}

),

{% endfor %}
instants as (

    select
        {% for trait in windowed %}
        {{ trait.name }},
        {{ '_ends_' ~ trait.name ~ ',' if trait.spec.until }}
        {% endfor %}
        {% for name in stepped %}
        null as _step_{{ name }},
        {% endfor %}
        profile_id,
        event_id,
        occurred_at as happened_at,
        event_number
    from readings
    {% for instant, conditions in later | dictsort %}
    union all
    select
        {% for trait in windowed %}
        null as {{ trait.name }},
        {{ 'null as _ends_' ~ trait.name ~ ',' if trait.spec.until }}
        {% endfor %}
        {% for name in stepped %}
        null as _step_{{ name }},
        {% endfor %}
        profile_id,
        null as event_id,
        {{ instant }} as happened_at,
        null as event_number
    from readings
    where {{ conditions | join(' or ') }}
    {% endfor %}
    {% for changed in stepped %}
    union all
    select
        {% for trait in windowed %}
        null as {{ trait.name }},
        {{ 'null as _ends_' ~ trait.name ~ ',' if trait.spec.until }}
        {% endfor %}
        {% for name in stepped %}
        {{ '' if name == changed else 'null as ' }}_step_{{ name }},
        {% endfor %}
        profile_id,
        {{ '' if changed in rule.attributes else 'null as ' }}event_id,
        happened_at,
        null as event_number
    from steps_of_{{ changed }}
    {% endfor %}

),

{# An event of `until` begins a new period, in which the events before it no longer count. #}
periods as (

    select
        {% for trait in with_until %}
        count(_ends_{{ trait.name }}) over (
            partition by profile_id order by happened_at
            range between unbounded preceding and current row
        ) as _period_{{ trait.name }},
        {% endfor %}
        *
    from instants
    {{ until_frozen }}

),

{% if streaks %}
days as (

    select
        {% for trait in streaks %}
        {{ streak_day(trait) }} as _day_{{ trait.name }},
        {{ first_day_of_streak(trait) | trim | indent(8) }} as _first_day_{{ trait.name }},
        {% endfor %}
        *
    from periods

),
{% endif %}

steps as (

    select
        {% for trait in windowed %}
        {{ trait_at_instant(trait) | trim | indent(8) }} as {{ trait.name }},
        {% endfor %}
        {% for name in stepped %}
        max(_step_{{ name }}) over (
            partition by profile_id order by happened_at
            range between unbounded preceding and current row
        ) as _step_{{ name }},
        {% endfor %}
        profile_id,
        happened_at,
        {# The event that tips the rule, if one does; otherwise time passes. #}
        max(event_id) over (
            partition by profile_id order by happened_at range between current row and current row
        ) as event_id,
        lead(happened_at) over (partition by profile_id order by happened_at) as _next_instant
    from {{ 'days' if streaks else 'periods' }}

),

{% if stepped %}
values_at_instants as (

    select
        {% for name in stepped %}
        steps_of_{{ name }}.{{ name }},
        {% endfor %}
        steps.*
    from steps
    {% for name in stepped %}
    left join steps_of_{{ name }}
        on
            steps.profile_id = steps_of_{{ name }}.profile_id
            and steps._step_{{ name }} = steps_of_{{ name }}._step_{{ name }}
    {% endfor %}

),
{% endif %}

states as (

    select
        profile_id,
        happened_at,
        event_id,
        coalesce(({{ rule.sql }}), false) as is_in
    from {{ 'values_at_instants' if stepped else 'steps' }}
    where _next_instant is null or _next_instant > happened_at

),

{# Nobody is in a segment before the first event. #}
changes as (

    select * from states
    qualify is_in <> lag(is_in, 1, false) over (partition by profile_id order by happened_at)

),

intervals as (

    select
        profile_id,
        happened_at as valid_from,
        event_id as entered_event_id,
        lead(happened_at) over (partition by profile_id order by happened_at) as valid_to,
        lead(event_id) over (partition by profile_id order by happened_at) as left_event_id,
        is_in
    from changes

)

select
    md5(
        profile_id || ':{{ rule.name }}:'
        || {{ dbt.datediff("timestamp '1970-01-01'", 'valid_from', 'microsecond') }}
    ) as interval_id,
    profile_id,
    '{{ rule.name }}' as segment_name,
    valid_from,
    valid_to,
    entered_event_id,
    left_event_id
from intervals
where is_in
{% else %}
select
    cast(null as varchar) as interval_id,
    profile_id,
    cast(null as varchar) as segment_name,
    occurred_at as valid_from,
    occurred_at as valid_to,
    event_id as entered_event_id,
    event_id as left_event_id
from {{ ref('trait_readings') }}
where false
{% endfor %}
