{#
    What each trait reads from each event, where properties are parsed, once; and from each time on
    a list: 1 when it begins, -1 when it ends.
#}
{{
    config(
        materialized='incremental',
        incremental_strategy='revised',
        pre_hook='{{ without_progress() }}',
    )
}}

{% set plan = trait_plan() %}
{# `readings_version` reads seeds, which dbt sees only here. #}
{% set _ = lists_version(), attributes_version() %}
{% set traits, lists = read_traits(), traits_of('listed') %}

-- depends_on: {{ ref('profile_revisions') }}, {{ ref('profile_lists') }}
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

){{ ',' if lists }}

{% if lists %}
list_changes as (

    select
        profile_id,
        list_name,
        listed_from as changed_at,
        1 as change
    from {{ ref('profile_lists') }}
    union all
    select
        profile_id,
        list_name,
        listed_until as changed_at,
        -1 as change
    from {{ ref('profile_lists') }}
    where listed_until is not null

),

list_readings as (

    select
        {% for trait in traits %}
        {% if trait.spec.list %}
        case when list_name = '{{ trait.spec.list }}' then change end as {{ trait.name }},
        {% else %}
        null as {{ trait.name }},
        {% endif %}
        {% if trait.spec.until %}
        null as _ends_{{ trait.name }},
        null as _until_{{ trait.name }},
        {% endif %}
        {% endfor %}
        profile_id,
        cast(null as varchar) as event_id,
        changed_at as occurred_at,
        null as event_number,
        cast({{ revision_in('profile_revisions') }} as bigint) as revision
    from list_changes
    where profile_id in (select events.profile_id from events)

)
{% endif %}

{# The first event of a profile is kept also if no trait counts it: from it on there is somebody. #}
{% set names = traits | map(attribute='name') | list + ends_of(traits) %}
{% set kept = any_of(names, ['event_number = 1']) %}
select * from readings
where {{ kept }}
{% if lists %}
union all
select * from list_readings
where {{ kept }}
{% endif %}
