{% set texts = {
    'id': ['id'],
    'livemode': ['livemode'],
    'customer_id': ['customer_id', 'customer.id', 'customer'],
    'status': ['status'],
    'plan': [
        'plan.nickname',
        'plan__nickname',
        'plan_nickname',
        'plan.id',
        'plan__id',
        'plan_id',
        'price_id',
    ],
    'plan_interval': ['plan.interval', 'plan__interval', 'plan_interval'],
    'currency': ['plan.currency', 'plan__currency', 'plan_currency', 'currency'],
    'reason': [
        'cancellation_details.reason',
        'cancellation_details__reason',
        'cancellation_details_reason',
    ],
} %}
{% set instants = {
    'created_at': ['created'],
    'start_at': ['start_date', 'start'],
    'trial_start_at': ['trial_start'],
    'trial_end_at': ['trial_end'],
    'canceled_at': ['canceled_at'],
    'ended_at': ['ended_at'],
} %}
{% set numbers = {
    'quantity': ['quantity'],
    'plan_amount': ['plan.amount', 'plan__amount', 'plan_amount'],
    'interval_count': ['plan.interval_count', 'plan__interval_count', 'plan_interval_count'],
} %}
{% set refusals = stripe_refusals([
    'trialing', 'active', 'past_due', 'unpaid', 'paused', 'canceled', 'incomplete',
    'incomplete_expired',
]) %}
{% set tables = ['subscriptions', 'subscription', 'subscription_history'] %}

with subscriptions as (

    {{ source_fields('stripe', tables, texts, instants, numbers, refusals) | indent(4) }}

),

dated_subscriptions as (

    {# When each fact happened, else null: a customer who leaves during the trial never started. #}
    select
        *,
        case
            when
                trial_end_at is not null
                and status not in ('trialing', 'paused', 'incomplete', 'incomplete_expired')
                and (ended_at is null or ended_at > trial_end_at)
                then trial_end_at
            when
                trial_end_at is null
                and status not in ('incomplete', 'incomplete_expired')
                then coalesce(start_at, created_at)
        end as started_at,
        case
            when status <> 'incomplete_expired'
                then coalesce(canceled_at, case when status = 'canceled' then ended_at end)
        end as left_at,
        {{ major_units('plan_amount', 'currency') | indent(8) }}
        * coalesce(quantity, 1)
        / (
            case plan_interval
                when 'year' then 12
                when 'month' then 1
                when 'week' then cast(12 as double) / 52
                when 'day' then cast(12 as double) / 365
            end
            * nullif(coalesce(interval_count, 1), 0)
        ) as mrr
    from subscriptions

),

tallies as (

    select
        *,
        cast(trial_start_at is not null as integer) as trials,
        cast(started_at is not null as integer) as starts,
        cast(left_at is not null as integer) as cancels
    from dated_subscriptions

),

facts as (

    {# One part for each fact; a row without any still identifies the customer. #}
    select
        tallies.*,
        kinds.event_name,
        case kinds.event_name
            when 'trial_start' then tallies.trial_start_at
            when 'subscription_start' then tallies.started_at
            when 'subscription_cancel' then tallies.left_at
            else tallies.created_at
        end as known_at,
        case kinds.event_name
            when 'subscription_start' then 1 + tallies.trials
            when 'subscription_cancel' then 1 + tallies.trials + tallies.starts
            else 1
        end as landed_part
    from tallies
    cross join (
        values ('identify'), ('trial_start'), ('subscription_start'), ('subscription_cancel')
    ) as kinds (event_name)
    where
        case kinds.event_name
            when 'trial_start' then tallies.trials
            when 'subscription_start' then tallies.starts
            when 'subscription_cancel' then tallies.cancels
            else cast(tallies.trials + tallies.starts + tallies.cancels = 0 as integer)
        end = 1

)

select
    'stripe:subscription:' || id || ':' || event_name || case
        when event_name = 'subscription_cancel' then ':' || {{ instant_text('left_at') }}
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
        when 'trial_start'
            then {{ json_object({'subscription_id': 'id', 'plan': 'plan'}) | indent(16) }}
        when 'subscription_start'
            then {{ json_object({
                'subscription_id': 'id',
                'plan': 'plan',
                'mrr': 'mrr',
            }) | indent(16) }}
        when 'subscription_cancel'
            then {{ json_object({
                'subscription_id': 'id',
                'plan': 'plan',
                'reason': 'reason',
            }) | indent(16) }}
    end as properties,
    {{ identifier_object({'stripe_id': 'customer_id'}) | indent(4) }} as identifiers,
    landed_file,
    landed_line,
    cast(landed_part as bigint) as landed_part,
    landed_at,
    problem,
    original
from facts
