{% set columns = attribute_columns(ref('profile_attributes')) %}
{% set types = attribute_types(columns) %}
{% set segments = live_segments() %}

with profile_segments as (

    select * from {{ ref('profile_segments') }}

),

profile_attributes as (

    select * from {{ ref('profile_attributes') }}

),

memberships as (

    {% for segment in segments %}
    select
        profile_id || ':{{ segment.name }}' as membership_id,
        profile_id,
        '{{ segment.name }}' as segment_name,
        {{ label_expression(segment, types) }} as segment_label,
        {{ text_literal(segment.spec.when) }} as reason,
        {# The values at the time of the freeze are not known. #}
        {{ (row_object([]) if segment.spec.frozen_at else rule_values(segment, columns))
            | trim | indent(8) }} as reason_values,
        as_of
    from profile_attributes
    where profile_id in (
        select profile_segments.profile_id from profile_segments
        where profile_segments.{{ segment.name }}
    )
    {{ 'union all' if not loop.last }}
    {% else %}
    select
        cast(null as varchar) as membership_id,
        profile_id,
        cast(null as varchar) as segment_name,
        cast(null as varchar) as segment_label,
        cast(null as varchar) as reason,
        {{ row_object([]) }} as reason_values,
        as_of
    from profile_attributes
    where false
    {% endfor %}

)

select
    memberships.membership_id,
    memberships.profile_id,
    memberships.segment_name,
    memberships.segment_label,
    memberships.reason,
    memberships.reason_values,
    current_intervals.valid_from,
    current_intervals.valid_to as valid_until,
    current_intervals.entered_event_id,
    memberships.as_of
from memberships
left join {{ ref('current_intervals') }} as current_intervals
    on
        memberships.profile_id = current_intervals.profile_id
        and memberships.segment_name = current_intervals.segment_name
