{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['landed_file', 'landed_line', 'landed_part'],
        post_hook=[
            "{{ empty_forgotten(ref('raw_messages')) }}",
            "{{ delete_removed(
                ref('int_pending_removals'), 'removed_file', 'removed_file is not null'
            ) }}",
        ],
    )
}}

{% set columns = (
    universal_columns() | reject('equalto', 'problem') | list
    + ['is_time_clamped', 'stream_type', 'stream_id', 'is_bot', 'is_internal', 'reason']
) | join(',\n        ') %}
{% set arrival_order %}
    received_at, occurred_at, is_time_clamped, event_name, user_id, anonymous_id, platform, source,
    cast(properties as varchar), cast(identifiers as varchar), cast(context as varchar),
    landed_file, landed_line, landed_part
{%- endset %}

{# The rules that decide which rows are events. Refused rows are validated again after a change. #}
{% set rules = rules_version() %}
{% set refused_before %}reason is not null and rules_version <> '{{ rules }}'{% endset %}
{% set has_refused = is_incremental() and has_rows(this, refused_before) %}
{% set newly_landed = newly_landed() if is_incremental() else 'true' %}
{% set is_arrival = newly_landed if not has_refused else
    newly_landed ~ ' or (landed_file, landed_line, landed_part) in ('
    ~ 'select landed_file, landed_line, landed_part from ' ~ this ~ ' where ' ~ refused_before ~ ')'
%}

{#
    Rows of files that were replaced or taken back are deleted; one of their duplicates becomes the
    event.
#}
{% set removals = ref('int_pending_removals') %}
{% set has_removals = is_incremental() and has_rows(removals, 'true') %}
{% set is_removed -%}
landed_file in (
    select removals.removed_file from {{ removals }} as removals
    where removals.removed_file is not null
)
{%- endset %}

{#
    A row is validated when it lands. A row that is validated later than the overlap covers, because
    a loader was late or the rules have changed, gets a time just after all earlier rows, so that
    readers of `updated_at` see it. While there are no rows, as after a run on an empty file, there
    are no readers yet. The latest rows may have been removed since; their removal has a later time.
#}
{% set judged_before %}
{%- if has_removals -%}
(
    select max(updates.updated_at)
    from (
        select updated_at from {{ this }}
        union all
        select removed_at as updated_at from {{ removals }}
    ) as updates
)
{%- else -%}
(select max(updated_at) from {{ this }})
{%- endif -%}
{% endset %}
{% set judged_at %}
{%- if is_incremental() -%}
case
    when
        landed_at
        <= {{ judged_before | indent(8) }} - interval '{{ var("arrival_overlap_minutes") }} minutes'
        then {{ judged_before | indent(8) }} + interval '1 microsecond'
    else landed_at
end
{%- else -%}
landed_at
{%- endif -%}
{%- endset %}

{#
    An incremental run holds its arrivals in memory while it compares them. In a first load
    everything is an arrival, which is too much to hold, so it is streamed.
#}
{% set arrivals = 'arrivals' if is_incremental() else ref('int_events_validated') %}

with

{% if is_incremental() %}
arrivals as (

    select * from {{ ref('int_events_validated') }}
    where {{ is_arrival }}

),

{# Reads one column of history; the wide columns are read below, only for the ids found here. #}
known_ids as (

    select event_id from arrivals
    where event_id in (
        select history.event_id from {{ this }} as history
        where history.event_id in (select arrivals.event_id from arrivals)
    )

    {% if has_removals %}
    union all

    select event_id from {{ this }}
    where
        {{ is_removed | indent(8) }}
        and event_id is not null
    {% endif %}

),
{% endif %}

{# Only rows whose event id occurs more than once need to be compared with each other. #}
repeated_ids as (

    select event_id from {{ arrivals }}
    where event_id is not null
    group by event_id
    having count(*) > 1

    {% if is_incremental() %}
    union distinct

    select event_id from known_ids
    {% endif %}

),

unrepeated_rows as (

    select
        {{ columns }},
        {{ judged_at | indent(8) }} as judged_at,
        case when reason is null then 'valid' else 'quarantined' end as status,
        {{ judged_at | indent(8) }} as updated_at
    from {{ arrivals }}
    where
        event_id is null
        or event_id not in (select repeated_ids.event_id from repeated_ids)

),

candidates as (

    select
        {{ columns }},
        {{ judged_at | indent(8) }} as judged_at
    from {{ arrivals }}
    where event_id in (select repeated_ids.event_id from repeated_ids)

    {% if is_incremental() %}
    union all

    {#
        A loader overwrites rows, which renumbers those of a load: a row may already be here under
        another number.
    #}
    select
        {{ columns }},
        judged_at
    from {{ this }}
    where
        event_id in (select known_ids.event_id from known_ids)
        and (landed_file, landed_line, landed_part) not in (
            select
                arrivals.landed_file,
                arrivals.landed_line,
                arrivals.landed_part
            from arrivals
        )
        and not ({{ refused_before }})
        {% if has_removals %}
        and not ({{ is_removed | indent(8) }})
        {% endif %}
    {% endif %}

),

{#
    The first received row among the valid ones is the event, and the others are duplicates. Between
    rows received at the same instant the content decides, not the file. A row that breaks the rules
    is quarantined only if no other row is the event. `repeated_since` is when the first better row
    arrived, which changed the status of this one.
-#}
ranked_rows as (

    select
        *,
        min(case when reason is null then judged_at end) over (
            partition by event_id
            order by reason is not null, {{ arrival_order }}
            rows between unbounded preceding and 1 preceding
        ) as repeated_since
    from candidates

)

select
    *,
    '{{ rules }}' as rules_version
from unrepeated_rows

union all

select
    * exclude (repeated_since),
    case
        when repeated_since is not null then 'duplicate'
        when reason is not null then 'quarantined'
        else 'valid'
    end as status,
    case
        when repeated_since > judged_at then repeated_since
        else judged_at
    end as updated_at,
    '{{ rules }}' as rules_version
from ranked_rows
