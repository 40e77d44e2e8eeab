select
    model_name,
    model_version,
    trained_as_of,
    term as metric,
    value
from {{ ref('model_parameters') }}
where kind = 'metric'
