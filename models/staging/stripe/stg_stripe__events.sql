select * from {{ ref('stg_stripe__customers') }}
union all
select * from {{ ref('stg_stripe__charges') }}
union all
select * from {{ ref('stg_stripe__subscriptions') }}
union all
select * from {{ ref('stg_stripe__invoices') }}
union all
{{ unread_rows('stripe', [
    'customers', 'customer', 'charges', 'charge', 'subscriptions', 'subscription',
    'subscription_history', 'invoices', 'invoice',
]) }}
