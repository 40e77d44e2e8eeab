{#
    Features at an instant, and the outcome after it. The latest cutoff tests the churn model, the
    latest quarter of the visits the bundle model. An example trains only if its outcome was known
    before the test begins; those in between would leak the test period into training, and are left
    out.
#}
{% set bundle = checked_var('bundle') %}

with profile_features as (

    select * from {{ ref('profile_features') }}

),

profile_timeline as (

    select * from {{ ref('profile_timeline') }}

),

data_clock as (

    select * from {{ ref('data_clock') }}

),

purchases as (

    select
        profile_id,
        occurred_at,
        {{ json_text('properties', 'order_id') }} as order_id,
        {{ json_text('properties', 'product_id') }} as product_id,
        {{ try_number(json_text('properties', 'item_count')) }} as item_count,
        {{ try_number(json_text('properties', 'revenue')) }} as revenue
    from profile_timeline
    where event_name = 'purchase'

),

{# An order is one event with a number of products, or one event per product. #}
orders as (

    select
        profile_id,
        order_id,
        min(occurred_at) as ordered_at,
        max(item_count) as item_count,
        count(distinct product_id) as product_count,
        sum(revenue) as revenue
    from purchases
    group by profile_id, order_id

),

bundles as (

    select
        profile_id,
        ordered_at
    from orders
    where
        (item_count >= {{ bundle.least_products }} or product_count >= {{ bundle.least_products }})
        and revenue >= {{ bundle.least_revenue }}

),

instants as (

    select
        'churn' as model_name,
        profile_id,
        as_of,
        as_of + interval '{{ var("churn_horizon_days") }} days' as known_at
    from profile_features
    where is_for_churn
    union all
    select
        'bundle_purchase' as model_name,
        profile_id,
        as_of,
        as_of + interval '{{ bundle.horizon_hours }} hours' as known_at
    from profile_features
    where is_for_bundle_purchase

),

outcomes as (

    select
        'churn' as model_name,
        profile_id,
        occurred_at
    from profile_timeline
    where {{ is_churn_outcome('event_name') }}
    union all
    select
        'bundle_purchase' as model_name,
        profile_id,
        ordered_at as occurred_at
    from bundles

),

{# Half-open, as everywhere: an event at the instant itself is part of the outcome. #}
observations as (

    select
        instants.model_name,
        instants.profile_id,
        instants.as_of,
        instants.known_at,
        count(outcomes.occurred_at) > 0 as has_happened
    from instants
    inner join data_clock
        on instants.known_at <= data_clock.as_of
    left join outcomes
        on
            instants.model_name = outcomes.model_name
            and instants.profile_id = outcomes.profile_id
            and instants.as_of <= outcomes.occurred_at
            and instants.known_at > outcomes.occurred_at
    group by instants.model_name, instants.profile_id, instants.as_of, instants.known_at

),

quarters as (

    select
        *,
        ntile(4) over (partition by model_name order by as_of, profile_id) as quarter
    from observations

),

{# All examples of one instant are in the same slice. #}
timed_observations as (

    select
        *,
        case
            when model_name = 'churn' then max(as_of) over (partition by model_name)
            else min(case when quarter = 4 then as_of end) over (partition by model_name)
        end as test_begins_at
    from quarters

),

examples as (

    select
        model_name,
        profile_id,
        as_of,
        {% if churn_label() == 'absence' %}
        case
            when model_name = 'churn' then cast(not has_happened as integer)
            else cast(has_happened as integer)
        end as label,
        {% else %}
        cast(has_happened as integer) as label,
        {% endif %}
        case
            when as_of >= test_begins_at then 'test'
            when known_at <= test_begins_at then 'train'
        end as slice
    from timed_observations

)

select
    examples.model_name,
    examples.profile_id,
    examples.as_of,
    examples.label,
    examples.slice,
    profile_features.* exclude (
        profile_id, as_of, is_for_serving, is_for_churn, is_for_bundle_purchase
    )
from examples
inner join profile_features
    on
        examples.profile_id = profile_features.profile_id
        and examples.as_of = profile_features.as_of
where examples.slice is not null
