with model_terms as (

    select * from {{ ref('model_terms') }}

),

data_clock as (

    select * from {{ ref('data_clock') }}

),

versions as (

    select
        model_name,
        model_version,
        trained_as_of,
        max(case when kind = 'metric' and term = 'auc' then value end) as auc,
        max(case when kind = 'metric' and term = 'baseline_auc' then value end) as baseline_auc
    from model_terms
    where model_name in ('{{ declared_models() | join("', '") }}')
    group by model_name, model_version, trained_as_of

),

judged as (

    select
        versions.*,
        coalesce(versions.auc > versions.baseline_auc, false) as is_promoted,
        versions.trained_as_of <= data_clock.as_of as is_trained
    from versions
    cross join data_clock

)

select
    * exclude (is_trained),
    is_promoted
    and is_trained
    and row_number() over (
        partition by model_name, is_promoted and is_trained order by trained_as_of desc
    ) = 1 as is_current
from judged
