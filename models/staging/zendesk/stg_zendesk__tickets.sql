{% set texts = {
    'id': ['id'],
    'status': ['status'],
    'requester_id': ['requester_id'],
    'priority': ['priority'],
    'ticket_type': ['type'],
    'channel': ['via_channel', 'via__channel', 'via.channel'],
} %}
{% set instants = {
    'created_at': ['created_at'],
    'updated_at': ['updated_at'],
} %}
{% set refusals = {"status = 'deleted'": 'the record was deleted'} %}

with tickets as (

    {{ source_fields(
        'zendesk', ['tickets', 'ticket'], texts, instants, refusals=refusals
    ) | indent(4) }}

)

{#
    Received when the row was changed: of several versions, the earliest is the event. The
    requester's own row has the address; looking it up here would let a later row change this one.
#}
select
    'zendesk:ticket:' || id || ':support_ticket' as event_id,
    'support_ticket' as event_name,
    'zendesk' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    created_at as occurred_at,
    coalesce(updated_at, created_at) as received_at,
    'server' as platform,
    {{ json_object({}) }} as context,
    {{ json_object({
        'ticket_id': 'id',
        'priority': 'lower(priority)',
        'ticket_type': 'ticket_type',
        'channel': 'channel',
    }) }} as properties,
    {{ identifier_object({'zendesk_id': 'requester_id'}) | indent(4) }} as identifiers,
    landed_file,
    landed_line,
    cast(1 as bigint) as landed_part,
    landed_at,
    problem,
    original
from tickets
