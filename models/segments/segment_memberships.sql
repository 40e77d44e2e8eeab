{% set types = attribute_types(ref('profile_attributes')) %}
{% set segments = live_segments() %}

with profile_segments as (

    select * from {{ ref('profile_segments') }}

),

profile_attributes as (

    select * from {{ ref('profile_attributes') }}

)

{% for segment in segments %}
select
    profile_attributes.profile_id || ':{{ segment.name }}' as membership_id,
    profile_attributes.profile_id,
    '{{ segment.name }}' as segment_name,
    {{ label_expression(segment, types) }} as segment_label,
    {{ text_literal(segment.spec.when) }} as reason,
    profile_attributes.as_of
from profile_attributes
inner join profile_segments
    on profile_attributes.profile_id = profile_segments.profile_id
where profile_segments.{{ segment.name }}
{{ 'union all' if not loop.last }}
{% else %}
select
    cast(null as varchar) as membership_id,
    profile_attributes.profile_id,
    cast(null as varchar) as segment_name,
    cast(null as varchar) as segment_label,
    cast(null as varchar) as reason,
    profile_attributes.as_of
from profile_attributes
inner join profile_segments
    on profile_attributes.profile_id = profile_segments.profile_id
where false
{% endfor %}
