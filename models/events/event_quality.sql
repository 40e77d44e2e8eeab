{% set weeks %}
    partition by source, event_name, dayofweek(day) order by day
    range between interval '28 days' preceding and interval '7 days' preceding
{%- endset %}
{% set days %}
    partition by source, event_name order by day
    range between interval '28 days' preceding and interval '1 day' preceding
{%- endset %}

with int_event_counts as (

    select * from {{ ref('int_event_counts') }}

),

planned_events as (

    select distinct event_name from {{ ref('tracking_plan') }}

),

{# Days up to the latest with any landed row, since an event that is not sent has no rows. #}
last_day as (

    select max(day) as day
    from int_event_counts
    where status = 'valid'

),

daily as (

    select
        day,
        source,
        event_name,
        cast(sum(landed) as bigint) as landed,
        cast(sum(case when status = 'valid' then landed else 0 end) as bigint) as valid,
        cast(sum(case when status = 'duplicate' then landed else 0 end) as bigint) as duplicated,
        cast(sum(case when status = 'quarantined' then landed else 0 end) as bigint)
            as quarantined,
        lead(day) over (partition by source, event_name order by day) as next_day
    from int_event_counts
    group by day, source, event_name

),

{# Days without an event count as zero for four weeks after the event last arrived. #}
silent_days as (

    select
        daily.source,
        daily.event_name,
        cast({{ dbt.dateadd('day', 'days.generated_number', 'daily.day') }} as date) as day
    from daily
    cross join last_day
    inner join ({{ dbt.generate_series(28) }}) as days
        on
            cast({{ dbt.dateadd('day', 'days.generated_number', 'daily.day') }} as date)
            < coalesce(daily.next_day, last_day.day + 1)

),

all_days as (

    select
        day,
        source,
        event_name,
        landed,
        valid,
        duplicated,
        quarantined
    from daily

    union all

    select
        day,
        source,
        event_name,
        0 as landed,
        0 as valid,
        0 as duplicated,
        0 as quarantined
    from silent_days

),

measures as (

    select
        *,
        valid + quarantined as volume,
        case
            when count(*) over ({{ weeks }}) >= 2
                then avg(valid + quarantined) over ({{ weeks }})
        end as usual_volume,
        case
            when count(*) over ({{ weeks }}) >= 2
                then min(valid + quarantined) over ({{ weeks }})
        end as low_volume,
        cast(quarantined as double) / nullif(valid + quarantined, 0) as quarantined_share,
        cast(sum(quarantined) over ({{ days }}) as double)
        / nullif(sum(valid + quarantined) over ({{ days }}), 0) as usual_quarantined_share
    from all_days

)

select
    measures.day,
    measures.source,
    measures.event_name,
    measures.landed,
    measures.valid,
    measures.duplicated,
    measures.quarantined,
    case
        when
            planned_events.event_name is null
            and measures.event_name not in ('(none)', '(other)')
            then measures.quarantined
        else 0
    end as unknown,
    measures.volume,
    measures.usual_volume,
    measures.low_volume,
    measures.volume / nullif(measures.usual_volume, 0) - 1 as volume_drift,
    measures.quarantined_share,
    measures.usual_quarantined_share
from measures
left join planned_events
    on measures.event_name = planned_events.event_name
