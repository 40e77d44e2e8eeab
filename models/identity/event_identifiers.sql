{{ config(materialized='view') }}

{# While dbt parses there is no seed to read. #}
{% set id_types = seed_rows(ref('identifier_rules'), ['id_type']) | map('first') | list %}

with fct_events as (

    select * from {{ ref('fct_events') }}

),

landed_events as (

    select * from {{ ref('landed_events') }}

),

landed as (

    select
        event_id,
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
        identifier_rules.id_type,
        identifier_rules.priority,
        identifier_rules.is_lower_cased,
        case identifier_rules.id_type
            {%- for id_type in id_types or ['user_id'] %}
            when '{{ id_type }}' then {{ identifier_text('landed', id_type) }}
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
    updated_at,
    landed_file,
    landed_line
from normalized
