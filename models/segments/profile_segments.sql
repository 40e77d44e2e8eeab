{# The segments are declared in the subfolders of this folder; here they become one select. #}
{% set types = attribute_types(attribute_columns(ref('profile_attributes'))) %}
{% set segments = live_segments() %}
{# A draft or a retired segment is checked too. #}
{% for segment in declared_segments() %}{% do segment_condition(segment, types) %}{% endfor %}

-- depends_on: {{ ref('current_intervals') }}
with profile_attributes as (

    select * from {{ ref('profile_attributes') }}

),

judgements as (

    select
        profile_id,
        {% for segment in segments %}
        {% if segment.spec.frozen_at %}
        {# Its rule is as of today, and its intervals as of the freeze. #}
        profile_id in (
            select current_intervals.profile_id
            from {{ ref('current_intervals') }} as current_intervals
            where current_intervals.segment_name = '{{ segment.name }}'
        ) as {{ segment.name }},
        {% else %}
        {# The name is next to the rule, so that an error of the warehouse shows it. #}
        coalesce(
            /* {{ segment.name }} */ ({{ segment_condition(segment, types) }}),
            false
        ) as {{ segment.name }},
        {% endif %}
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
