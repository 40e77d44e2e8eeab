{% set days %}
    partition by source, event_name, property order by day
    range between interval '28 days' preceding and interval '1 day' preceding
{%- endset %}

with int_event_counts as (

    select * from {{ ref('int_event_counts') }}

),

{# In the order of the marks. #}
properties as (

    select
        event_name,
        property,
        row_number() over (partition by event_name order by property) as position,
        count(*) over (partition by event_name) as property_count
    from {{ ref('tracking_plan') }}
    where property is not null

),

judgements as (

    select
        int_event_counts.day,
        int_event_counts.source,
        int_event_counts.event_name,
        properties.property,
        int_event_counts.landed,
        substr(int_event_counts.marks, properties.position, 1) <> '.' as is_filled,
        '-' in (
            substr(int_event_counts.marks, properties.position, 1),
            substr(int_event_counts.marks, properties.property_count + properties.position, 1)
        ) as is_invalid
    from int_event_counts
    inner join properties
        on int_event_counts.event_name = properties.event_name
    where int_event_counts.marks is not null

),

daily as (

    select
        day,
        source,
        event_name,
        property,
        cast(sum(landed) as bigint) as volume,
        cast(sum(case when is_filled then landed else 0 end) as bigint) as filled,
        cast(sum(case when is_invalid then landed else 0 end) as bigint) as invalid
    from judgements
    group by day, source, event_name, property

)

select
    *,
    cast(filled as double) / volume as fill_rate,
    cast(sum(filled) over ({{ days }}) as double) / sum(volume) over ({{ days }})
        as usual_fill_rate
from daily
