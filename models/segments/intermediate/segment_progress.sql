{#
    Built last. A run that skips one of the steps does not advance: the next run begins where the
    last complete one ended. Readings end at the data clock. So a run with a clock that lies before
    an event, as of the past or left out of the selection, leaves no progress: else later runs would
    never read the events that it did not see.
#}
{% set steps = [
    'model.tideline.trait_readings', 'model.tideline.attribute_steps',
    'model.tideline.segment_intervals',
] %}
{% set left_out = steps | reject('in', selected_resources) | list %}
{# `readings_version` reads seeds, which dbt sees only here. #}
{% set _ = trait_plan(), lists_version(), attributes_version() %}

-- depends_on: {{ ref('trait_readings') }}, {{ ref('attribute_steps') }}
-- depends_on: {{ ref('segment_intervals') }}
{% if left_out and load_relation(this) %}
select
    revision,
    version
from {{ this }}
{% else %}
with newest_event as (

    select max(occurred_at) as occurred_at from {{ ref('fct_events') }}
    where is_counted

),

clock as (

    select coalesce(max(newest_event.occurred_at) < max(data_clock.as_of), true) as is_after_events
    from {{ ref('data_clock') }} as data_clock
    cross join newest_event

)

select
    max(profile_revisions.revision) as revision,
    '{{ readings_version() if execute }}' as version
from {{ ref('profile_revisions') }} as profile_revisions
cross join clock
where {{ 'false' if left_out or var('as_of') else 'clock.is_after_events' }}
{% endif %}
