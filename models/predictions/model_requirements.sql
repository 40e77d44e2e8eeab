{#
    What a model needs to be trained and tested, and what there is: a history of twice the horizon,
    enough examples, and enough of both outcomes.
#}
{% set least_examples = 50 %}
{% set least_outcomes = 10 %}
{% set named_events = checked_var('churn_absence_of') + checked_var('churn_presence_of') %}

with model_declarations as (

    select * from {{ ref('model_declarations') }}

),

training_examples as (

    select * from {{ ref('training_examples') }}

),

profile_timeline as (

    select * from {{ ref('profile_timeline') }}

),

data_clock as (

    select * from {{ ref('data_clock') }}

),

known_events as (

    select
        profile_timeline.event_name,
        profile_timeline.occurred_at,
        data_clock.as_of
    from profile_timeline
    inner join data_clock
        on profile_timeline.occurred_at < data_clock.as_of

),

history as (

    select
        coalesce(
            floor(datediff('microsecond', min(occurred_at), min(as_of)) / 86400000000.0), 0
        ) as days
    from known_events

),

counts as (

    select
        model_name,
        count_if(slice = 'train') as train,
        count_if(slice = 'train' and label = 1) as positive_train,
        count_if(slice = 'train' and label = 0) as negative_train,
        count_if(slice = 'test' and label = 1) as positive_test,
        count_if(slice = 'test' and label = 0) as negative_test
    from training_examples
    group by model_name

),

examples as (

    select
        model_declarations.model_name,
        counts.* exclude (model_name)
    from model_declarations
    left join counts
        on model_declarations.model_name = counts.model_name

),

requirements as (

    select
        1 as requirement_number,
        model_declarations.model_name,
        'days of history' as requirement,
        {# Test and training each look one horizon ahead, and someone must be active before. #}
        ceil(model_declarations.horizon_hours / 24.0) * 2 + 1 as needed,
        history.days as found
    from model_declarations
    cross join history
    {% for event in named_events %}
    union all
    select
        2 as requirement_number,
        'churn' as model_name,
        'events called {{ event | replace("'", "''") }}' as requirement,
        1 as needed,
        count_if(event_name = '{{ event | replace("'", "''") }}') as found
    from known_events
    {% endfor %}
    {% for column, requirement, needed in [
        ('train', 'training examples', least_examples),
        ('positive_train', 'positive training examples', least_outcomes),
        ('negative_train', 'negative training examples', least_outcomes),
        ('positive_test', 'positive test examples', least_outcomes),
        ('negative_test', 'negative test examples', least_outcomes),
    ] %}
    union all
    select
        {{ loop.index + 2 }} as requirement_number,
        model_name,
        '{{ requirement }}' as requirement,
        {{ needed }} as needed,
        coalesce({{ column }}, 0) as found
    from examples
    {% endfor %}

)

select
    model_name,
    requirement_number,
    requirement,
    cast(needed as bigint) as needed,
    cast(found as bigint) as found,
    found >= needed as is_met,
    cast(cast(needed as bigint) as varchar) || ' ' || requirement || ' needed, '
    || cast(cast(found as bigint) as varchar) || ' found' as finding
from requirements
