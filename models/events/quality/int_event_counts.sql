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

{# A forgotten row has no day of receipt: it counts on the day it landed. #}
{% set day_of_arrival %}
cast(
    case
        when received_at is null or reason = 'forgotten' then landed_at
        else received_at
    end as date
)
{%- endset %}

{#
    A day with an arrival or a removal is counted again as a whole, since other rows may change
    their status; so is each day counted with another plan or other aliases. The days are looked up
    at compile time, since literals let the warehouse skip all others.
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
        {# A forgotten row counts as one part, even before its other parts are purged. #}
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

{# Many rows share few distinct marks, so readers do not depend on the number of rows. #}
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

{# Any text may be sent as a name, so quarantined rows take a bounded number of groups per day. #}
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

{# A day that lost all its rows is replaced by an empty row, which the post hook deletes. #}
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
