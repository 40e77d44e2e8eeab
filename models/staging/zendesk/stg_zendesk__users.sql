{% set texts = {
    'id': ['id'],
    'active': ['active'],
    'email': ['email'],
    'phone': ['phone'],
    'shared_phone': ['shared_phone_number'],
    'name': ['name'],
    'role': ['role'],
    'locale': ['locale'],
} %}
{% set instants = {
    'created_at': ['created_at'],
    'updated_at': ['updated_at'],
} %}
{% set refusals = {is_false('active'): 'the record was deleted'} %}

with users as (

    {{ source_fields(
        'zendesk', ['users', 'user'], texts, instants, refusals=refusals
    ) | indent(4) }}

),

described_users as (

    select
        *,
        coalesce(updated_at, created_at) as known_at,
        case when not {{ is_true('shared_phone') }} then phone end as own_phone
    from users

)

select
    'zendesk:user:' || id || ':identify:' || {{ instant_text('known_at') }} as event_id,
    'identify' as event_name,
    'zendesk' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    known_at as occurred_at,
    known_at as received_at,
    'server' as platform,
    {{ json_object({}) }} as context,
    {{ json_object({'name': 'name', 'role': 'role', 'locale': 'locale'}) }} as properties,
    {{ identifier_object({
        'zendesk_id': 'id',
        'email': 'email',
        'phone': 'own_phone',
    }) | indent(4) }} as identifiers,
    landed_file,
    landed_line,
    cast(1 as bigint) as landed_part,
    landed_at,
    problem,
    original
from described_users
