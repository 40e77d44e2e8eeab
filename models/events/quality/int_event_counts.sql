{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['day'],
        post_hook='delete from {{ this }} where landed = 0',
    )
}}

{% set plan = ref('tracking_plan') %}
{% set rules_version = rules_version() %}
{% set kept_groups = 500 %}
{% set removals = ref('int_pending_removals') %}

{# What was forgotten says no day: it counts on the day its row landed. #}
{% set day_of_arrival %}
cast(
    case
        when received_at is null or reason = 'forgotten' then landed_at
        else received_at
    end as date
)
{%- endset %}

{#
    A day that an arrival or a removal touches is counted again as a whole, for rows also change
    their status; and so is each day that was counted under another plan or other aliases. The days
    are looked up when the model is compiled: literals let the warehouse skip all others.
#}
{% if is_incremental() %}
{% set touched %}
    select cast(days.day as varchar) as day_text
    from (
        select {{ day_of_arrival }} as day
        from {{ ref('int_events_deduplicated') }}
        where updated_at > {{ arrival_watermark('updated_at') }}
        union
        select cast(received_at as date) as day
        from {{ ref('int_events_deduplicated') }}
        where
            reason = 'forgotten'
            and received_at is not null
            and updated_at > {{ arrival_watermark('updated_at') }}
        union
        select received_on as day
        from {{ removals }}
        where
            received_on is not null
            and removed_at > {{ arrival_watermark('updated_at') }}
        union
        select landed_on as day
        from {{ removals }}
        where removed_at > {{ arrival_watermark('updated_at') }}
        union
        select day
        from {{ this }}
        where rules_version <> '{{ rules_version }}'
    ) as days
    order by days.day
{% endset %}
{% set days = run_query(touched).columns[0].values() %}
{% set listed_days = "date '" ~ days | join("', date '") ~ "'" %}
{% endif %}

with int_events_deduplicated as (

    select
        *,
        {{ day_of_arrival }} as day
    from {{ ref('int_events_deduplicated') }}
    where
        {# A forgotten row is one part, also until its other parts are purged. #}
        (reason is distinct from 'forgotten' or landed_part = 1)
    {% if is_incremental() and days %}
        and {{ day_of_arrival }} in ({{ listed_days }})
        and (
            received_at is null
            or (
                received_at >= cast(date '{{ days | first }}' as timestamp)
                and received_at
                <= cast(date '{{ days | last }}' as timestamp) + interval '86399999999 microseconds'
            )
        )
    {% elif is_incremental() %}
        and false
    {% endif %}

),

{# Few different marks stand for many rows: what reads this does not depend on their number. #}
marked_rows as (

    select
        day,
        source,
        substr(coalesce(event_name, '(none)'), 1, 100) as event_name,
        status,
        substr(reason, 1, 200) as reason,
        case
            when status <> 'duplicate'
                then {{ plan_marks(plan, 'event_name', 'properties') | indent(20) }}
        end as marks,
        updated_at
    from int_events_deduplicated

),

group_counts as (

    select
        day,
        source,
        event_name,
        status,
        reason,
        marks,
        count(*) as landed,
        max(updated_at) as updated_at
    from marked_rows
    group by day, source, event_name, status, reason, marks

),

{# Anything may be sent as a name: what is quarantined takes a bounded number of rows a day. #}
ranked_counts as (

    select
        *,
        status <> 'quarantined' or row_number() over (
            partition by day, source, status
            order by landed desc, event_name asc, reason asc, marks asc
        ) <= {{ kept_groups }} as is_kept
    from group_counts

),

bounded_counts as (

    select
        day,
        source,
        case when is_kept then event_name else '(other)' end as event_name,
        status,
        case when is_kept then reason else '(other)' end as reason,
        case when is_kept then marks end as marks,
        landed,
        updated_at
    from ranked_counts

)

select
    day,
    source,
    event_name,
    status,
    reason,
    marks,
    cast(sum(landed) as bigint) as landed,
    '{{ rules_version }}' as rules_version,
    max(updated_at) as updated_at
from bounded_counts
group by day, source, event_name, status, reason, marks

{% if is_incremental() and days %}
union all

{# A day may have lost all its rows: what was counted of it is replaced, and goes with the hook. #}
select
    day,
    source,
    event_name,
    status,
    reason,
    marks,
    0 as landed,
    rules_version,
    updated_at
from {{ this }}
where day in ({{ listed_days }})
{% endif %}
