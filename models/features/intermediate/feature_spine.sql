{#
    The cutoffs for which features are computed. Serving: the data clock. Training on churn:
    cutoffs old enough for a known outcome. The cutoff one horizon before the clock tests; those one
    more horizon before it, and earlier, train, since their outcomes were known when the test began.
    Training on bundles: ends of visits old enough for a known outcome.

    `is_for_churn` and `is_for_bundle_purchase` mark the population of a model, by the same rule for
    training and serving.
#}
{% set horizon = checked_var('churn_horizon_days') %}
{% set train_cutoffs = 3 %}
{# At least a week, so that cutoffs see different weeks; else the outcomes overlap by two thirds. #}
{% set step = [7, horizon // 3] | max %}
{% set visit_end_days = 60 %}
{% set visit_end_limit = 20000 %}

with dim_profiles as (

    select * from {{ ref('dim_profiles') }}

),

profile_timeline as (

    select
        profile_id,
        event_name,
        occurred_at
    from {{ ref('profile_timeline') }}

),

fct_sessions as (

    select * from {{ ref('fct_sessions') }}

),

data_clock as (

    select * from {{ ref('data_clock') }}

),

serving as (

    select
        dim_profiles.profile_id,
        data_clock.as_of,
        'serving' as purpose
    from dim_profiles
    cross join data_clock
    where dim_profiles.first_seen_at < data_clock.as_of

),

days_back as (

    select 0 as days
    union all
    select {{ horizon }} as days
    {% for number in range(train_cutoffs) %}
    union all
    select {{ 2 * horizon + step * number }} as days
    {% endfor %}

),

cutoffs as (

    select {{ dbt.dateadd('day', '-days_back.days', 'data_clock.as_of') }} as as_of
    from days_back
    cross join data_clock

),

{# Profiles that left before the cutoff cannot leave again. #}
active_profiles as (

    select distinct
        profile_timeline.profile_id,
        cutoffs.as_of
    from cutoffs
    inner join profile_timeline
        on
            profile_timeline.occurred_at < cutoffs.as_of
            and profile_timeline.occurred_at
            >= cutoffs.as_of - interval '{{ var("churn_population_days") }} days'
    where {{ is_retention_event('profile_timeline.event_name') }}

),

{% if churn_label() == 'presence' %}
{#
    A profile that ended and began a subscription at the same instant changed it, and has not left.
#}
standings as (

    select
        profile_timeline.profile_id,
        cutoffs.as_of,
        max(
            case
                when profile_timeline.event_name in ({{ literals('churn_presence_of') }})
                    then profile_timeline.occurred_at
            end
        ) as ended_at,
        max(
            case
                when profile_timeline.event_name in ({{ literals('churn_start_events') }})
                    then profile_timeline.occurred_at
            end
        ) as began_at
    from cutoffs
    inner join profile_timeline
        on cutoffs.as_of > profile_timeline.occurred_at
    group by profile_timeline.profile_id, cutoffs.as_of

),

churn as (

    select
        active_profiles.profile_id,
        active_profiles.as_of,
        'churn' as purpose
    from active_profiles
    inner join standings
        on
            active_profiles.profile_id = standings.profile_id
            and active_profiles.as_of = standings.as_of
    where
        {% if var('churn_start_events') %}
        standings.began_at >= coalesce(standings.ended_at, standings.began_at)
        {% else %}
        standings.ended_at is null
        {% endif %}

),
{% else %}
churn as (

    select
        profile_id,
        as_of,
        'churn' as purpose
    from active_profiles

),
{% endif %}

visit_ends as (

    {# A sample by hash, the same in every run, to limit the number of visits. #}
    select
        fct_sessions.profile_id,
        fct_sessions.ended_at
        + interval '{{ checked_var("session_timeout_minutes") + 1 }} minutes' as as_of,
        'bundle_purchase' as purpose
    from fct_sessions
    cross join data_clock
    where
        fct_sessions.profile_id is not null
        and fct_sessions.product_view_count > 0
        and fct_sessions.ended_at
        < data_clock.as_of - interval '{{ checked_var("bundle").horizon_hours + 1 }} hours'
        and fct_sessions.ended_at >= data_clock.as_of - interval '{{ visit_end_days }} days'
    qualify row_number() over (order by fct_sessions.session_id) <= {{ visit_end_limit }}

),

{# The last visit with product views is over, and a bundle may still follow. #}
visitors as (

    select distinct
        fct_sessions.profile_id,
        data_clock.as_of,
        'bundle_purchase' as purpose
    from fct_sessions
    cross join data_clock
    where
        fct_sessions.profile_id is not null
        and fct_sessions.product_view_count > 0
        and not fct_sessions.is_open
        and fct_sessions.ended_at
        >= data_clock.as_of - interval '{{ var("bundle").horizon_hours }} hours'

),

populations_together as (

    select * from serving
    union all
    select * from churn
    {% if var('shop') %}
    union all
    select * from visit_ends
    union all
    select * from visitors
    {% endif %}

)

select
    profile_id,
    as_of,
    count_if(purpose = 'serving') > 0 as is_for_serving,
    count_if(purpose = 'churn') > 0 as is_for_churn,
    count_if(purpose = 'bundle_purchase') > 0 as is_for_bundle_purchase
from populations_together
group by profile_id, as_of
