{#
    The instants at which profiles are looked at. Serving: the data clock. Training: weekly cutoffs
    old enough to know who left since, and the ends of visits old enough to know who bought since.
#}
{% set weekly_cutoffs = 6 %}
{% set visit_end_days = 60 %}
{% set visit_end_limit = 20000 %}

with dim_profiles as (

    select * from {{ ref('dim_profiles') }}

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

weeks as (

    {% for week in range(weekly_cutoffs) %}
    select {{ week }} as weeks_back
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

cutoffs as (

    select
        {{ dbt.dateadd(
            'day',
            '-(' ~ var('churn_horizon_days') ~ ' + 7 * weeks.weeks_back)',
            'data_clock.as_of'
        ) }} as as_of
    from weeks
    cross join data_clock

),

churn as (

    {# Somebody who was already gone cannot leave: only who acted in the 30 days before. #}
    select distinct
        fct_sessions.profile_id,
        cutoffs.as_of,
        'churn' as purpose
    from cutoffs
    inner join fct_sessions
        on
            fct_sessions.started_at < cutoffs.as_of
            and fct_sessions.started_at >= cutoffs.as_of - interval '30 days'
    where fct_sessions.profile_id is not null

),

visit_ends as (

    {# A sample by hash, the same in every run: enough to learn from, however many visits. #}
    select
        fct_sessions.profile_id,
        fct_sessions.ended_at
        + interval '{{ var("session_timeout_minutes") + 1 }} minutes' as as_of,
        'bundle_purchase' as purpose
    from fct_sessions
    cross join data_clock
    where
        fct_sessions.profile_id is not null
        and fct_sessions.product_view_count > 0
        and fct_sessions.ended_at
        < data_clock.as_of - interval '{{ var("bundle_horizon_hours") + 1 }} hours'
        and fct_sessions.ended_at >= data_clock.as_of - interval '{{ visit_end_days }} days'
    qualify row_number() over (order by fct_sessions.session_id) <= {{ visit_end_limit }}

),

unioned as (

    select * from serving
    union all
    select * from churn
    {% if var('shop') %}
    union all
    select * from visit_ends
    {% endif %}

)

select
    profile_id,
    as_of,
    count_if(purpose = 'serving') > 0 as is_for_serving,
    count_if(purpose = 'churn') > 0 as is_for_churn,
    count_if(purpose = 'bundle_purchase') > 0 as is_for_bundle_purchase
from unioned
group by profile_id, as_of
