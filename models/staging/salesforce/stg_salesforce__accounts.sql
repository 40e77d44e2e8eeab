{% set texts = {
    'id': ['id'],
    'name': ['name'],
    'industry': ['industry'],
    'account_type': ['type'],
    'employees': salesforce_field('number_of_employees'),
    'country': salesforce_field('billing_country'),
    'contact_id': salesforce_field('person_contact_id'),
    'email': salesforce_field('person_email'),
} %}
{% set instants = {
    'created_at': salesforce_field('created_date'),
    'modified_at': salesforce_field('system_modstamp') + salesforce_field('last_modified_date'),
} %}

with accounts as (

    {{ source_fields('salesforce', ['accounts', 'account'], texts, instants) | indent(4) }}

),

dated_accounts as (

    select
        *,
        coalesce(modified_at, created_at) as known_at
    from accounts

)

{#
    The traits of a company. Its id identifies nobody (it would join everyone who works there), so
    `identifier_rules` has no row for it; only a person account is a person.
#}
select
    'salesforce:account:' || id || ':group:' || {{ instant_text('known_at') }} as event_id,
    'group' as event_name,
    'salesforce' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    known_at as occurred_at,
    known_at as received_at,
    'server' as platform,
    {{ json_object({}) }} as context,
    {{ json_object({
        'group_id': 'id',
        'name': 'name',
        'industry': 'industry',
        'account_type': 'account_type',
        'employees': 'employees',
        'country': 'country',
    }) }} as properties,
    {{ identifier_object({
        'salesforce_account_id': 'id',
        'salesforce_id': 'contact_id',
        'email': 'email',
    }) | indent(4) }} as identifiers,
    landed_file,
    landed_line,
    cast(1 as bigint) as landed_part,
    landed_at,
    problem,
    original
from dated_accounts
