{% set texts = {
    'id': ['id'],
    'livemode': ['livemode'],
    'customer_id': ['customer_id', 'customer.id', 'customer'],
    'email': [
        'billing_details.email',
        'billing_details__email',
        'billing_details_email',
        'receipt_email',
    ],
    'status': ['status'],
    'captured': ['captured'],
    'currency': ['currency'],
    'order_id': [
        'metadata.order_id',
        'metadata__order_id',
        'metadata_order_id',
        'invoice_id',
        'invoice.id',
        'invoice',
        'payment_intent_id',
        'payment_intent.id',
        'payment_intent',
        'id',
    ],
    'reason': ['failure_code', 'failure_message'],
} %}
{% set instants = {
    'created_at': ['created'],
    'updated_at': ['updated'],
} %}
{% set numbers = {
    'amount': ['amount_captured', 'amount'],
    'amount_asked': ['amount'],
    'amount_refunded': ['amount_refunded'],
} %}
{% set refusals = stripe_refusals(['succeeded', 'pending', 'failed']) %}
{% set tables = ['charges', 'charge'] %}

with charges as (

    {{ source_fields('stripe', tables, texts, instants, numbers, refusals) | indent(4) }}

),

outcomes as (

    {# Money that is only authorized (not captured) or pending has not been paid. #}
    select
        *,
        case
            when status = 'failed' then 'payment_failed'
            when status = 'succeeded' and {{ is_false('captured') }} then 'identify'
            when status = 'succeeded' then 'purchase'
            when status = 'pending' then 'identify'
        end as outcome
    from charges

),

facts as (

    select
        outcomes.*,
        parts.landed_part,
        case parts.landed_part when 1 then outcomes.outcome else 'order_refund' end as event_name,
        {# The time of a refund is only known from the change of the row, or else its landing. #}
        case
            when parts.landed_part = 1 then outcomes.created_at
            else coalesce(outcomes.updated_at, outcomes.landed_at)
        end as known_at
    from outcomes
    cross join (values (1), (2)) as parts (landed_part)
    where
        parts.landed_part = 1
        or (outcomes.outcome = 'purchase' and outcomes.amount_refunded > 0)

)

select
    'stripe:charge:' || id || ':' || event_name || case
        when event_name = 'order_refund'
            then ':' || cast(cast(amount_refunded as bigint) as varchar)
        else ''
    end as event_id,
    event_name,
    'stripe' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    known_at as occurred_at,
    known_at as received_at,
    'server' as platform,
    {{ json_object({}) }} as context,
    case event_name
        when 'purchase'
            then {{ json_object({
                'order_id': 'order_id',
                'revenue': major_units('amount', 'currency'),
                'currency': 'upper(currency)',
            }) | indent(16) }}
        when 'order_refund'
            then {{ json_object({
                'order_id': 'order_id',
                'amount': major_units('amount_refunded', 'currency'),
                'currency': 'upper(currency)',
            }) | indent(16) }}
        when 'payment_failed'
            then {{ json_object({
                'order_id': 'order_id',
                'charge_id': 'id',
                'amount': major_units('amount_asked', 'currency'),
                'currency': 'upper(currency)',
                'reason': 'reason',
            }) | indent(16) }}
    end as properties,
    {{ identifier_object({'stripe_id': 'customer_id', 'email': 'email'}) | indent(4) }}
        as identifiers,
    landed_file,
    landed_line,
    cast(landed_part as bigint) as landed_part,
    landed_at,
    problem,
    original
from facts
