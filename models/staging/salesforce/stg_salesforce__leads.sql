{% set texts = {
    'id': ['id'],
    'email': ['email'],
    'phone': salesforce_field('mobile_phone') + ['phone'],
    'first_name': salesforce_field('first_name'),
    'last_name': salesforce_field('last_name'),
    'street': ['street'],
    'postcode': salesforce_field('postal_code'),
    'city': ['city'],
    'country': ['country'],
    'company': ['company'],
    'status': ['status'],
    'contact_id': salesforce_field('converted_contact_id'),
} %}
{% set instants = {
    'created_at': salesforce_field('created_date'),
    'modified_at': salesforce_field('system_modstamp') + salesforce_field('last_modified_date'),
} %}

with leads as (

    {{ source_fields('salesforce', ['leads', 'lead'], texts, instants) | indent(4) }}

),

dated_leads as (

    select
        *,
        coalesce(modified_at, created_at) as known_at
    from leads

)

{# A converted lead has the id of its contact: both ids are one person. #}
select
    'salesforce:lead:' || id || ':identify:' || {{ instant_text('known_at') }} as event_id,
    'identify' as event_name,
    'salesforce' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    known_at as occurred_at,
    known_at as received_at,
    'server' as platform,
    {{ json_object({}) }} as context,
    {{ json_object({
        'first_name': 'first_name',
        'last_name': 'last_name',
        'street': 'street',
        'postcode': 'postcode',
        'city': 'city',
        'country': 'country',
        'company': 'company',
        'status': 'status',
    }) }} as properties,
    {{ identifier_object({
        'salesforce_lead_id': 'id',
        'salesforce_id': 'contact_id',
        'email': 'email',
        'phone': 'phone',
    }) | indent(4) }} as identifiers,
    landed_file,
    landed_line,
    cast(1 as bigint) as landed_part,
    landed_at,
    problem,
    original
from dated_leads
