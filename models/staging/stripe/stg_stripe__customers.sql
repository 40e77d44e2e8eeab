{% set texts = {
    'id': ['id'],
    'livemode': ['livemode'],
    'email': ['email'],
    'phone': ['phone'],
    'name': ['name'],
    'street': ['address_line1', 'address__line1', 'address.line1'],
    'postcode': ['address_postal_code', 'address__postal_code', 'address.postal_code'],
    'city': ['address_city', 'address__city', 'address.city'],
    'country': ['address_country', 'address__country', 'address.country'],
    'user_id': ['metadata_user_id', 'metadata__user_id', 'metadata.user_id'],
} %}
{% set instants = {
    'created_at': ['created'],
    'updated_at': ['updated'],
} %}

with customers as (

    {{ source_fields(
        'stripe', ['customers', 'customer'], texts, instants, refusals=stripe_refusals()
    ) | indent(4) }}

),

described_customers as (

    select
        *,
        coalesce(updated_at, created_at) as known_at,
        {{ identifier_object({'stripe_id': 'id', 'email': 'email', 'phone': 'phone'}) | indent(8) }}
            as identifiers,
        {{ json_object({
            'name': 'name',
            'street': 'street',
            'postcode': 'postcode',
            'city': 'city',
            'country': 'country',
        }) | indent(8) }} as properties
    from customers

)

{# A customer has no time of change: different content is a different fact. #}
select
    'stripe:customer:' || id || ':identify:' || md5(
        coalesce(user_id, '') || cast(identifiers as varchar) || cast(properties as varchar)
    ) as event_id,
    'identify' as event_name,
    'stripe' as source,
    cast(null as varchar) as anonymous_id,
    user_id,
    known_at as occurred_at,
    known_at as received_at,
    'server' as platform,
    {{ json_object({}) }} as context,
    properties,
    identifiers,
    landed_file,
    landed_line,
    cast(1 as bigint) as landed_part,
    landed_at,
    problem,
    original
from described_customers
