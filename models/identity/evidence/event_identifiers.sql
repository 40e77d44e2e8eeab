{{ config(materialized='view') }}

with members as (

    {{ carried_identifiers(ref('int_events_flagged'), [
        'event_id', 'source', 'anonymous_id', 'user_id', 'identifiers', 'is_counted',
        'occurred_at', 'landed_file', 'landed_line'
    ]) | indent(4) }}

)

select
    event_id,
    identifier_id,
    id_type,
    id_value,
    source,
    anonymous_id,
    user_id,
    identifiers,
    is_counted as is_evidence,
    occurred_at,
    landed_file,
    landed_line
from members
