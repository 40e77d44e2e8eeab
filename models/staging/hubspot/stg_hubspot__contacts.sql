{% set texts = {
    'id': ['id', 'vid'],
    'email': hubspot_property('email'),
    'phone': hubspot_property('mobilephone') + hubspot_property('phone'),
    'first_name': hubspot_property('firstname'),
    'last_name': hubspot_property('lastname'),
    'birth_date': hubspot_property('date_of_birth'),
    'street': hubspot_property('address'),
    'postcode': hubspot_property('zip'),
    'city': hubspot_property('city'),
    'country': hubspot_property('country'),
    'company': hubspot_property('company'),
    'lifecycle_stage': hubspot_property('lifecyclestage'),
} %}
{% set instants = {
    'created_at': ['created_at', 'createdat'] + hubspot_property('createdate'),
    'updated_at': ['updated_at', 'updatedat'] + hubspot_property('lastmodifieddate'),
} %}

with contacts as (

    {{ source_fields('hubspot', ['contacts', 'contact'], texts, instants) | indent(4) }}

),

dated_contacts as (

    select
        *,
        coalesce(updated_at, created_at) as known_at
    from contacts

)

select
    'hubspot:contact:' || id || ':identify:' || {{ instant_text('known_at') }} as event_id,
    'identify' as event_name,
    'hubspot' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    known_at as occurred_at,
    known_at as received_at,
    'server' as platform,
    {{ json_object({}) }} as context,
    {{ json_object({
        'first_name': 'first_name',
        'last_name': 'last_name',
        'birth_date': 'birth_date',
        'street': 'street',
        'postcode': 'postcode',
        'city': 'city',
        'country': 'country',
        'company': 'company',
        'lifecycle_stage': 'lifecycle_stage',
    }) }} as properties,
    {{ identifier_object({'hubspot_id': 'id', 'email': 'email', 'phone': 'phone'}) | indent(4) }}
        as identifiers,
    landed_file,
    landed_line,
    cast(1 as bigint) as landed_part,
    landed_at,
    problem,
    original
from dated_contacts
