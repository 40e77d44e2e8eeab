{# What each trait reads from each event; properties are parsed here, once. #}
{{
    config(
        materialized='incremental',
        incremental_strategy='revised',
        pre_hook='{{ without_progress() }}',
    )
}}

{% set plan = trait_plan() %}
{% set traits = event_traits() %}

-- depends_on: {{ ref('profile_revisions') }}
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
    where
        profile_timeline.occurred_at < data_clock.as_of
        {{ 'and profile_timeline.profile_id in (' ~ revised_profiles() ~ ')'
            if revisions_are_kept() }}

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
        {# Null if no event has ended the counting of this one. #}
        _until_{{ trait.name }},
        {% endif %}
        {% endfor %}
        profile_id,
        event_id,
        occurred_at,
        event_number,
        cast({{ revision_in('profile_revisions') }} as bigint) as revision
    from ordered_events

)

{# The first event of a profile is kept also if no trait counts it: from it on there is somebody. #}
select * from readings
where {{ any_of(traits | map(attribute='name') | list + ends_of(traits), ['event_number = 1']) }}
