{# The segments are declared in the subfolders of this folder; here they become one select. #}
{% set types = attribute_types(attribute_columns(ref('profile_attributes'))) %}
{% set segments = live_segments() %}
{# A draft or a retired segment is checked too. #}
{% for segment in declared_segments() %}{% do segment_condition(segment, types) %}{% endfor %}

-- depends_on: {{ ref('segment_intervals') }}, {{ ref('data_clock') }}
with profile_attributes as (

    select * from {{ ref('profile_attributes') }}

),

{# Who is in a frozen segment follows from its intervals, for which time stands still. #}
{% if segments | selectattr('spec.frozen_at') | list %}
current_intervals as (

    select
        segment_intervals.profile_id,
        segment_intervals.segment_name
    from {{ ref('segment_intervals') }} as segment_intervals
    inner join {{ ref('data_clock') }} as data_clock
        on
            segment_intervals.valid_from < data_clock.as_of
            and (
                segment_intervals.valid_to is null
                or segment_intervals.valid_to >= data_clock.as_of
            )

),
{% endif %}

judgements as (

    select
        profile_id,
        {% for segment in segments %}
        {% if segment.spec.frozen_at %}
        profile_id in (
            select current_intervals.profile_id from current_intervals
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
