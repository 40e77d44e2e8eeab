{{ config(materialized='view') }}

{% set blocklist = ref('identifier_blocklist') %}
{% set traffic_rules = ref('traffic_rules') %}

with staged_rows as (

    {% for source in ['collector'] + checked_var('sources') | list %}
    select
        {{ universal_columns() | join(',\n        ') }}
    from {{ ref('stg_' ~ source ~ '__events') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

{#
    No event happens after its receipt or before 1990: such a clock is wrong, and the arrival is the
    best known time.
#}
clamped_rows as (

    select
        * exclude (anonymous_id, user_id, occurred_at),
        {{ trimmed('anonymous_id') | indent(8) }} as anonymous_id,
        {{ trimmed('user_id') | indent(8) }} as user_id,
        case
            when occurred_at > received_at or occurred_at < timestamp '1990-01-01 00:00:00'
                then received_at
            else occurred_at
        end as occurred_at,
        coalesce(
            occurred_at > received_at + interval '{{ var("clock_tolerance_seconds") }} seconds'
            or occurred_at < timestamp '1990-01-01 00:00:00',
            false
        ) as is_time_clamped
    from staged_rows

),

remembered_rows as (

    {{ unless_forgotten('clamped_rows') | indent(4) }}

),

prepared_rows as (

    select
        * exclude (properties),
        {{ aliased_properties(
            ref('property_aliases'), ref('tracking_plan'), 'source', 'event_name', 'properties'
        ) | indent(8) }} as properties,
        {{ usable_id('anonymous_id', 'anonymous_id', blocklist) | indent(8) }}
            as usable_anonymous_id,
        {{ usable_id('user_id', 'user_id', blocklist) | indent(8) }} as usable_user_id,
        {{ json_text('context', 'userAgent') }} as user_agent,
        {{ json_text('context', 'ip') }} as ip
    from remembered_rows

)

select
    {{ universal_columns() | reject('equalto', 'problem') | join(',\n    ') }},
    is_time_clamped,
    case
        when usable_anonymous_id is not null then 'anonymous_id'
        when usable_user_id is not null then 'user_id'
    end as stream_type,
    coalesce(usable_anonymous_id, usable_user_id) as stream_id,
    {{ traffic_by_row('bot', traffic_rules, 'user_agent', 'ip') | indent(4) }} as is_bot,
    {{ traffic_by_row('internal', traffic_rules, 'user_agent', 'ip') | indent(4) }} as is_internal,
    case
        when problem is not null then problem
        when event_id is null then 'no event id'
        when occurred_at is null or received_at is null then 'no readable timestamp'
        when occurred_at < timestamp '1990-01-01 00:00:00' then 'occurred before 1990'
        {# It would set the data clock ahead, so that everybody would seem inactive. #}
        when received_at > landed_at + interval '1 day' then 'received in the future'
        when anonymous_id is null and user_id is null and identifiers is null
            then 'no identifier'
        else {{ plan_violation(
            ref('tracking_plan'), 'event_name', 'properties'
        ) | indent(8) }}
    end as reason
from prepared_rows
