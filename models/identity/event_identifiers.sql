{{ config(materialized='view') }}

{% set own_columns = ['user_id', 'anonymous_id'] %}

with fct_events as (

    select * from {{ ref('fct_events') }}

),

landed_events as (

    select * from {{ ref('landed_events') }}

),

landed as (

    select
        event_id,
        source,
        user_id,
        anonymous_id,
        identifiers,
        is_counted as is_evidence,
        occurred_at,
        received_at,
        updated_at,
        landed_file,
        landed_line
    from fct_events

    union all

    select
        event_id,
        source,
        user_id,
        anonymous_id,
        identifiers,
        false as is_evidence,
        occurred_at,
        received_at,
        updated_at,
        landed_file,
        landed_line
    from landed_events
    where status <> 'valid'

),

identifier_rules as (

    select * from {{ ref('identifier_rules') }}

),

found as (

    select
        landed.event_id,
        landed.source,
        identifier_rules.id_type,
        identifier_rules.priority,
        identifier_rules.is_lower_cased,
        identifier_rules.is_gmail_folded,
        case identifier_rules.id_type
            {%- for column in own_columns %}
            when '{{ column }}' then landed.{{ column }}
            {%- endfor %}
            {%- for (id_type,) in seed_rows(ref('identifier_rules'), ['id_type'])
                if id_type not in own_columns %}
            when '{{ id_type }}' then {{ json_text('landed.identifiers', id_type) }}
            {%- endfor %}
        end as id_text,
        landed.is_evidence,
        landed.occurred_at,
        landed.received_at,
        landed.updated_at,
        landed.landed_file,
        landed.landed_line
    from landed
    cross join identifier_rules

),

normalized as (

    select
        * exclude (is_lower_cased, is_gmail_folded, id_text),
        {{ normalized_identifier('id_text', 'is_lower_cased', 'is_gmail_folded') | indent(8) }}
            as id_value
    from found
    where trim(id_text) <> ''

)

select
    event_id,
    source,
    id_type || ':' || id_value as identifier_id,
    id_type,
    id_value,
    priority,
    is_evidence,
    occurred_at,
    received_at,
    updated_at,
    landed_file,
    landed_line
from normalized
