{# Rules that read only traits over events hold on exact intervals (docs/reference/segments.md). #}
{% set rules = exact_declarations().rules | rejectattr('because') | list %}

with trait_steps as (

    select * from {{ ref('trait_steps') }}

),

rule_steps as (

    select
        {% for rule in rules %}
        coalesce(({{ rule.sql }}), false) as {{ rule.name }},
        {% endfor %}
        profile_id,
        happened_at
    from trait_steps

),

{# Nobody is in a segment before the first event. #}
former_steps as (

    select
        *
        {%- for rule in rules %},
        coalesce(
            lag({{ rule.name }}) over (partition by profile_id order by happened_at), false
        ) as _was_{{ rule.name }}
        {%- endfor %}
    from rule_steps

),

changes as (

    {% for rule in rules %}
    select
        profile_id,
        '{{ rule.name }}' as segment_name,
        happened_at,
        {{ rule.name }} as is_in
    from former_steps
    where {{ rule.name }} <> _was_{{ rule.name }}
    {{ 'union all' if not loop.last }}
    {% else %}
    select
        profile_id,
        cast(null as varchar) as segment_name,
        happened_at,
        false as is_in
    from former_steps
    where false
    {% endfor %}

),

{# An event that the rule counts tips it at the event's own time; otherwise time passes. #}
tipping_events as (

    select
        changes.profile_id,
        changes.segment_name,
        changes.happened_at,
        max(trait_readings.event_id) as event_id
    from changes
    inner join {{ ref('trait_readings') }} as trait_readings
        on
            changes.profile_id = trait_readings.profile_id
            and changes.happened_at = trait_readings.occurred_at
    where
        trait_readings.event_number = 1
        {% for rule in rules if rule.events %}
        or (
            changes.segment_name = '{{ rule.name }}'
            and (
                {%- for column in rule.events %}
                trait_readings.{{ column }} is not null{{ ' or' if not loop.last }}
                {%- endfor %}
            )
        )
        {% endfor %}
    group by changes.profile_id, changes.segment_name, changes.happened_at

),

intervals as (

    select
        changes.profile_id,
        changes.segment_name,
        changes.is_in,
        changes.happened_at as valid_from,
        tipping_events.event_id as entered_event_id,
        lead(changes.happened_at) over (
            partition by changes.profile_id, changes.segment_name order by changes.happened_at
        ) as valid_to,
        lead(tipping_events.event_id) over (
            partition by changes.profile_id, changes.segment_name order by changes.happened_at
        ) as left_event_id
    from changes
    left join tipping_events
        on
            changes.profile_id = tipping_events.profile_id
            and changes.segment_name = tipping_events.segment_name
            and changes.happened_at = tipping_events.happened_at

)

select
    md5(
        profile_id || ':' || segment_name || ':'
        || {{ dbt.datediff("timestamp '1970-01-01'", 'valid_from', 'microsecond') }}
    ) as interval_id,
    profile_id,
    segment_name,
    valid_from,
    valid_to,
    entered_event_id,
    left_event_id
from intervals
where is_in
