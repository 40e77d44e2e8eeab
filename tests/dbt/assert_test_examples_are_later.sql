{# Every training example had its outcome before the first test example. #}
select
    model_name,
    max(case when slice = 'train' then as_of end) as last_train,
    min(case when slice = 'test' then as_of end) as first_test
from {{ ref('training_examples') }}
group by model_name
having
    max(case when slice = 'train' then as_of end)
    + case
        when model_name = 'churn' then interval '{{ var("churn_horizon_days") }} days'
        else interval '{{ var("bundle").horizon_hours }} hours'
    end > min(case when slice = 'test' then as_of end)
