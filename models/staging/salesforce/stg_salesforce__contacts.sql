{% set texts = {
    'id': ['id'],
    'email': ['email'],
    'phone': salesforce_field('mobile_phone') + ['phone'],
    'first_name': salesforce_field('first_name'),
    'last_name': salesforce_field('last_name'),
    'birth_date': ['birthdate', 'birth_date'],
    'street': salesforce_field('mailing_street'),
    'postcode': salesforce_field('mailing_postal_code'),
    'city': salesforce_field('mailing_city'),
    'country': salesforce_field('mailing_country'),
    'account_id': salesforce_field('account_id'),
} %}
{% set instants = {
    'created_at': salesforce_field('created_date'),
    'modified_at': salesforce_field('system_modstamp') + salesforce_field('last_modified_date'),
} %}

with contacts as (

    {{ source_fields('salesforce', ['contacts', 'contact'], texts, instants) | indent(4) }}

),

facts as (

    {# Part 1 is the person, part 2 the company. #}
    select
        contacts.*,
        coalesce(contacts.modified_at, contacts.created_at) as known_at,
        parts.landed_part,
        case parts.landed_part when 1 then 'identify' else 'group' end as event_name
    from contacts
    cross join (values (1), (2)) as parts (landed_part)
    where parts.landed_part = 1 or contacts.account_id is not null

)

select
    'salesforce:contact:' || id || ':' || event_name || ':' || case event_name
        when 'identify' then {{ instant_text('known_at') }}
        else account_id
    end as event_id,
    event_name,
    'salesforce' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    known_at as occurred_at,
    known_at as received_at,
    'server' as platform,
    {{ json_object({}) }} as context,
    case event_name
        when 'group' then {{ json_object({'group_id': 'account_id'}) }}
        else {{ json_object({
            'first_name': 'first_name',
            'last_name': 'last_name',
            'birth_date': 'birth_date',
            'street': 'street',
            'postcode': 'postcode',
            'city': 'city',
            'country': 'country',
        }) | indent(12) }}
    end as properties,
    {{ identifier_object({'salesforce_id': 'id', 'email': 'email', 'phone': 'phone'}) | indent(4) }}
        as identifiers,
    landed_file,
    landed_line,
    cast(landed_part as bigint) as landed_part,
    landed_at,
    problem,
    original
from facts
