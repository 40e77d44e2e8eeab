{# What each trait of a rule with intervals reads from each event; properties are parsed once. #}
{% set plan = seed_rows(ref('tracking_plan'), ['event_name', 'property', 'property_type']) %}
{% set traits = exact_declarations().traits %}

with events as (

    select
        profile_timeline.profile_id,
        profile_timeline.event_id,
        profile_timeline.event_name,
        profile_timeline.occurred_at,
        profile_timeline.source,
        profile_timeline.platform,
        profile_timeline.context,
        profile_timeline.properties,
        row_number() over (
            partition by profile_timeline.profile_id
            order by profile_timeline.occurred_at, profile_timeline.event_id
        ) as event_number
    from {{ ref('profile_timeline') }} as profile_timeline
    cross join {{ ref('data_clock') }} as data_clock
    where profile_timeline.occurred_at < data_clock.as_of

),

{{ ordered_events(traits, plan) }}
readings as (

    select
        {% for trait in traits %}
        {{ trait_reading(trait, plan) | trim | indent(8) }} as {{ trait.name }},
        {% if trait.spec.until %}
        case
            when {{ is_event(trait.place, trait.spec.until, plan) }} then 1
        end as _ends_{{ trait.name }},
        {% endif %}
        {% endfor %}
        profile_id,
        event_id,
        occurred_at,
        event_number
    from ordered_events

)

{# The first event of a profile is kept also if no trait counts it: from it on there is somebody. #}
select * from readings
where
    event_number = 1
    {% for trait in traits %}
    or {{ trait.name }} is not null
    {{ 'or _ends_' ~ trait.name ~ ' is not null' if trait.spec.until }}
    {% endfor %}
