{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['landed_file', 'landed_line', 'landed_part'],
        post_hook="{{ empty_forgotten(ref('raw_messages')) }}",
    )
}}

{% set columns %}
    event_id,
    event_name,
    source,
    anonymous_id,
    user_id,
    occurred_at,
    is_time_clamped,
    received_at,
    platform,
    context,
    properties,
    identifiers,
    stream_type,
    stream_id,
    is_bot,
    is_internal,
    landed_file,
    landed_line,
    landed_part,
    landed_at,
    original,
    reason
{%- endset %}
{% set arrival_order %}
    received_at, occurred_at, event_name, user_id, anonymous_id, platform,
    cast(properties as varchar), cast(identifiers as varchar), cast(context as varchar),
    landed_file, landed_line, landed_part
{%- endset %}
{% set plan = ref('tracking_plan') %}
{% set judged_events = ref('judged_events') %}

{# What decides which rows are events. What it refused is judged again when it has changed. #}
{% set rules = local_md5(
    plan_violation(plan, 'event_name', 'properties')
    ~ aliased_properties(ref('property_aliases'), plan, 'source', 'event_name', 'properties')
    ~ seed_rows(ref('event_aliases'), ['alias', 'event_name'])
) %}
{% set refused_before %}status = 'quarantined' and rules_version <> '{{ rules }}'{% endset %}
{% set has_refused = is_incremental() and has_rows(this, refused_before) %}

{% set watermark = arrival_watermark('landed_at') if is_incremental() %}
{# The instant of this run for what is judged again: just after all that has happened before. #}
{% set judged_again_at %}
(select max(updated_at) + interval '1 microsecond' from {{ this }})
{%- endset %}

{% set judged_at %}
{%- if has_refused -%}
case when reason is null and landed_at <= {{ watermark }} then {{ judged_again_at }} else landed_at end
{%- else -%}
landed_at
{%- endif -%}
{%- endset %}
{% set is_arrival %}
(
    {%- if not is_incremental() %}
    true
    {%- else %}
    landed_at > {{ watermark }}
    {%- if has_refused %}
    or (landed_file, landed_line, landed_part) in (
        select
            landed_file,
            landed_line,
            landed_part
        from {{ this }}
        where {{ refused_before }}
    )
    {%- endif %}
    {%- endif %}
)
{%- endset %}

with arrivals as (

    select event_id from {{ judged_events }}
    where {{ is_arrival | indent(4) }}

),

{# Only rows whose event id has come more than once need to be compared with each other. #}
repeated as (

    select event_id from arrivals
    where event_id is not null
    group by event_id
    having count(*) > 1

    {% if is_incremental() %}
    union distinct

    select event_id from {{ this }}
    where event_id in (select arrivals.event_id from arrivals)
    {% endif %}

),

alone as (

    select
        {{ columns | indent(4) }},
        {{ judged_at | indent(8) }} as judged_at,
        case when reason is null then 'valid' else 'quarantined' end as status,
        {{ judged_at }} as updated_at
    from {{ judged_events }}
    where
        {{ is_arrival | indent(8) }}
        and (
            event_id is null
            or event_id not in (select repeated.event_id from repeated)
        )

),

candidates as (

    select
        {{ columns | indent(4) }},
        {{ judged_at | indent(8) }} as judged_at
    from {{ judged_events }}
    where
        {{ is_arrival | indent(8) }}
        and event_id in (select repeated.event_id from repeated)

    {% if is_incremental() %}
    union all

    select
        {{ columns | indent(4) }},
        judged_at
    from {{ this }}
    where
        status <> 'quarantined'
        and landed_at <= {{ watermark }}
        and event_id in (select repeated.event_id from repeated)
    {% endif %}

),

{#
    The row received first is the event, the others repeat it; between rows received at the same
    instant their content decides, not the file they came in. `repeated_since` is when the first
    better row came: then this one's status changed.
-#}
ranked as (

    select
        *,
        row_number() over (
            partition by event_id, reason is null
            order by {{ arrival_order }}
        ) as arrival_rank,
        min(judged_at) over (
            partition by event_id, reason is null
            order by {{ arrival_order }}
            rows between unbounded preceding and 1 preceding
        ) as repeated_since
    from candidates

)

select
    *,
    '{{ rules }}' as rules_version
from alone

union all

select
    * exclude (arrival_rank, repeated_since),
    case
        when reason is not null then 'quarantined'
        when arrival_rank = 1 then 'valid'
        else 'duplicate'
    end as status,
    case
        when reason is null and repeated_since > judged_at then repeated_since
        else judged_at
    end as updated_at,
    '{{ rules }}' as rules_version
from ranked
