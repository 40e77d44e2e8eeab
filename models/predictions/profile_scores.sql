{#
    A score is the sigmoid of a sum: per feature, its coefficient times its value, clipped to the
    range of training and scaled as in training. The largest summands are the reasons. Only profiles
    in the population of the model are scored.
#}
{% set features = feature_columns(ref('profile_features')) %}
{% set reason_count = 3 %}

with profile_features as (

    select * from {{ ref('profile_features') }}
    where is_for_serving

),

populations as (

    select
        profile_id,
        as_of,
        'churn' as model_name
    from profile_features
    where is_for_churn
    union all
    select
        profile_id,
        as_of,
        'bundle_purchase' as model_name
    from profile_features
    where is_for_bundle_purchase

),

model_versions as (

    select * from {{ ref('model_versions') }}
    where is_current

),

terms as (

    select model_parameters.*
    from {{ ref('model_parameters') }} as model_parameters
    inner join model_versions
        on model_parameters.model_version = model_versions.model_version
    where model_parameters.kind = 'coefficient'

),

feature_values as (
    {{ feature_values('profile_features', features) | indent(4) }}
),

clipped_values as (

    select
        feature_values.profile_id,
        terms.model_version,
        terms.term,
        terms.value as coefficient,
        terms.transform,
        terms.mean,
        terms.scale,
        greatest(terms.lower_bound, least(terms.upper_bound, feature_values.value)) as value
    from feature_values
    inner join terms
        on feature_values.feature = terms.term

),

contributions as (

    select
        profile_id,
        model_version,
        term,
        coefficient
        * (case when transform = 'log1p' then ln(1 + value) else value end - mean)
        / scale as contribution
    from clipped_values

),

ranked_contributions as (

    select
        *,
        cast(round(abs(contribution) * 10) as bigint) as tenths,
        row_number() over (
            partition by profile_id, model_version
            order by abs(contribution) desc, term
        ) as reason_number
    from contributions

),

sums as (

    select
        profile_id,
        model_version,
        sum(contribution) as log_odds,
        {{ dbt.listagg(
            "case when reason_number <= " ~ reason_count ~ " then term || ' '"
            ~ " || case when contribution < 0 then '-' else '+' end"
            ~ " || cast(cast(floor(tenths / 10.0) as bigint) as varchar)"
            ~ " || '.' || cast(mod(tenths, 10) as varchar) end",
            "', '",
            "order by reason_number"
        ) | indent(8) }} as reasons
    from ranked_contributions
    group by profile_id, model_version

)

{# Rounded to six digits so that summation order cannot change results. #}
select
    populations.profile_id,
    populations.as_of,
    model_versions.model_name,
    model_versions.model_version,
    round(1 / (1 + exp(-(intercepts.value + coalesce(sums.log_odds, 0)))), 6) as score,
    coalesce(sums.reasons, '') as reasons
from populations
inner join model_versions
    on populations.model_name = model_versions.model_name
inner join terms as intercepts
    on
        model_versions.model_version = intercepts.model_version
        and intercepts.term = 'intercept'
left join sums
    on
        populations.profile_id = sums.profile_id
        and model_versions.model_version = sums.model_version
