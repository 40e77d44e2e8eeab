{{ config(materialized='view') }}

{% set own_columns = ['user_id', 'anonymous_id'] %}

with landed_events as (

    select * from {{ ref('landed_events') }}

),

identifier_rules as (

    select * from {{ ref('identifier_rules') }}

),

found as (

    select
        landed_events.event_id,
        identifier_rules.id_type,
        identifier_rules.priority,
        identifier_rules.is_lower_cased,
        trim(case identifier_rules.id_type
            {%- for column in own_columns %}
            when '{{ column }}' then landed_events.{{ column }}
            {%- endfor %}
            {%- for (id_type,) in seed_rows(ref('identifier_rules'), ['id_type'])
                if id_type not in own_columns %}
            when '{{ id_type }}' then {{ json_text('landed_events.identifiers', id_type) }}
            {%- endfor %}
        end) as id_text,
        landed_events.status = 'valid' and not landed_events.is_bot as is_evidence,
        landed_events.occurred_at,
        landed_events.received_at,
        landed_events.updated_at
    from landed_events
    cross join identifier_rules

),

normalized as (

    select
        * exclude (is_lower_cased, id_text),
        case when is_lower_cased then lower(id_text) else id_text end as id_value
    from found
    where id_text <> ''

)

select
    event_id,
    id_type || ':' || id_value as identifier_id,
    id_type,
    id_value,
    priority,
    is_evidence,
    occurred_at,
    received_at,
    updated_at
from normalized
