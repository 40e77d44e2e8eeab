with model_parameters as (

    select * from {{ ref('model_parameters') }}

),

model_declarations as (

    select * from {{ ref('model_declarations') }}

),

data_clock as (

    select * from {{ ref('data_clock') }}

),

last_removal as (

    select * from {{ ref('last_removal') }}

),

best_baselines as (

    select
        model_version,
        term as baseline
    from model_parameters
    where kind = 'baseline'
    qualify row_number() over (partition by model_version order by value desc, term asc) = 1

),

versions as (

    select
        model_name,
        model_version,
        declaration_id,
        trained_as_of,
        last_removal_at,
        max(case when kind = 'metric' and term = 'auc' then value end) as auc,
        max(case when kind = 'metric' and term = 'baseline_auc' then value end) as baseline_auc,
        max(case when kind = 'metric' and term = 'auc_gain_low' then value end) as auc_gain_low,
        max(case when kind = 'metric' and term = 'auc_gain_high' then value end) as auc_gain_high
    from model_parameters
    where model_name in (select model_declarations.model_name from model_declarations)
    group by model_name, model_version, declaration_id, trained_as_of, last_removal_at

),

judgements as (

    select
        versions.*,
        best_baselines.baseline,
        coalesce(versions.auc_gain_low > 0, false) as is_promoted,
        model_declarations.declaration_id is not null
        and versions.trained_as_of <= data_clock.as_of
        and {{ trained_since('versions', 'last_removal') }} as is_asked
    from versions
    cross join data_clock
    cross join last_removal
    left join best_baselines
        on versions.model_version = best_baselines.model_version
    left join model_declarations
        on
            versions.model_name = model_declarations.model_name
            and versions.declaration_id = model_declarations.declaration_id

)

select
    model_name,
    model_version,
    declaration_id,
    trained_as_of,
    auc,
    baseline,
    baseline_auc,
    auc_gain_low,
    auc_gain_high,
    is_promoted,
    is_asked
    and row_number() over (
        partition by model_name, is_asked order by trained_as_of desc
    ) = 1 as is_newest,
    is_promoted
    and is_asked
    and row_number() over (
        partition by model_name, is_promoted and is_asked order by trained_as_of desc
    ) = 1 as is_current,
    case
        when baseline is null
            then 'trained by a release that compared with one baseline only'
        else
            'AUC ' || {{ three_digits('auc') }} || ', ' || baseline || ' alone '
            || {{ three_digits('baseline_auc') }} || ', difference '
            || {{ three_digits('auc_gain_low') }} || ' to '
            || {{ three_digits('auc_gain_high') }} || ' (95% interval), ' || case
                when is_promoted then 'significantly better'
                when auc_gain_high <= 0 then 'significantly worse'
                else 'not significant'
            end
    end as judgement
from judgements
