{% set texts = {
    'id': ['id'],
    'livemode': ['livemode'],
    'customer_id': ['customer_id', 'customer.id', 'customer'],
    'email': ['customer_email'],
    'phone': ['customer_phone'],
    'name': ['customer_name'],
    'status': ['status'],
    'currency': ['currency'],
} %}
{% set instants = {
    'created_at': ['created', 'date'],
    'given_up_at': [
        'status_transitions_marked_uncollectible_at',
        'status_transitions__marked_uncollectible_at',
        'status_transitions.marked_uncollectible_at',
    ],
} %}
{% set numbers = {
    'amount_due': ['amount_due'],
} %}
{% set refusals = stripe_refusals(['draft', 'open', 'paid', 'uncollectible', 'void']) %}
{% set tables = ['invoices', 'invoice'] %}

with invoices as (

    {{ source_fields('stripe', tables, texts, instants, numbers, refusals) | indent(4) }}

),

facts as (

    {#
        Payments and failed attempts are charges: read here, money would count twice. An invoice
        only adds that nobody tries any more; otherwise it identifies the billed customer.
    #}
    select
        *,
        case when status = 'uncollectible' then 'payment_failed' else 'identify' end as event_name,
        case
            when status = 'uncollectible' then coalesce(given_up_at, created_at)
            else created_at
        end as known_at
    from invoices

)

select
    'stripe:invoice:' || id || ':' || event_name as event_id,
    event_name,
    'stripe' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    known_at as occurred_at,
    known_at as received_at,
    'server' as platform,
    {{ json_object({}) }} as context,
    case event_name
        when 'payment_failed'
            then {{ json_object({
                'order_id': 'id',
                'amount': major_units('amount_due', 'currency'),
                'currency': 'upper(currency)',
                'reason': "'uncollectible'",
            }) | indent(16) }}
        else {{ json_object({'name': 'name'}) | indent(12) }}
    end as properties,
    {{ identifier_object({
        'stripe_id': 'customer_id',
        'email': 'email',
        'phone': 'phone',
    }) | indent(4) }} as identifiers,
    landed_file,
    landed_line,
    cast(1 as bigint) as landed_part,
    landed_at,
    problem,
    original
from facts
