{% set texts = {
    'id': ['id'],
    'name': ['name'],
    'account_id': salesforce_field('account_id'),
    'contact_id': salesforce_field('contact_id'),
    'won': salesforce_field('is_won'),
    'currency': salesforce_field('currency_iso_code'),
} %}
{% set instants = {
    'created_at': salesforce_field('created_date'),
    'closed_at': salesforce_field('close_date'),
    'modified_at': salesforce_field('system_modstamp') + salesforce_field('last_modified_date'),
} %}
{% set numbers = {
    'amount': ['amount'],
} %}
{% set tables = ['opportunities', 'opportunity'] %}

with opportunities as (

    {{ source_fields('salesforce', tables, texts, instants, numbers) | indent(4) }}

),

facts as (

    {#
        A won deal is a contract, not a purchase: money counts where it is paid. Any other state
        gives the company of the contact.
    #}
    select
        *,
        case when {{ is_true('won') }} then 'subscription_start' else 'group' end as event_name,
        coalesce(modified_at, closed_at, created_at) as known_at
    from opportunities

)

select
    'salesforce:opportunity:' || id || ':' || event_name || case event_name
        when 'group' then ':' || coalesce(account_id, '') || ':' || coalesce(contact_id, '')
        else ''
    end as event_id,
    event_name,
    'salesforce' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    case
        when event_name = 'subscription_start' and closed_at < known_at then closed_at
        else known_at
    end as occurred_at,
    known_at as received_at,
    'server' as platform,
    {{ json_object({}) }} as context,
    case event_name
        when 'subscription_start'
            then {{ json_object({
                'plan': 'name',
                'group_id': 'account_id',
                'amount': 'amount',
                'currency': 'currency',
            }) | indent(16) }}
        else {{ json_object({'group_id': 'account_id'}) }}
    end as properties,
    {{ identifier_object({
        'salesforce_account_id': 'account_id',
        'salesforce_id': 'contact_id',
    }) | indent(4) }} as identifiers,
    landed_file,
    landed_line,
    cast(1 as bigint) as landed_part,
    landed_at,
    problem,
    original
from facts
