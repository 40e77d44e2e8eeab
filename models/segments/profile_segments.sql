{# The segments are declared in the subfolders of this folder; here they become one select. #}
{% set types = attribute_types(attribute_columns(ref('profile_attributes'))) %}
{% set segments = live_segments() %}
{# A draft or a retired segment is checked too. #}
{% for segment in declared_segments() %}{% do segment_condition(segment, types) %}{% endfor %}

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
        {%- for segment in segments | sort(attribute='spec.priority,name') %}
        when {{ segment.name }} then '{{ segment.name }}'
        {%- endfor %}
        when false then ''
    end as primary_segment
from judgements
