{# The segments are declared in profile_segments.yml; here they become one select. #}
{% set types = attribute_types(ref('profile_attributes')) %}
{% set segments = declared_segments() %}

with profile_attributes as (

    select * from {{ ref('profile_attributes') }}

),

judgements as (

    select
        profile_id,
        {% for segment in segments %}
        {# The name is next to the rule, so that an error of the warehouse shows it. #}
        coalesce(
            /* {{ segment.name }} */ ({{ segment_condition(segment, types) }}),
            false
        ) as {{ segment.name }},
        {% endfor %}
        as_of
    from profile_attributes

)

select
    *,
    case
        {%- for segment in segments_by_priority(segments) %}
        when {{ segment.name }} then '{{ segment.name }}'
        {%- endfor %}
        when false then ''
    end as primary_segment
from judgements
