with statements as (

    select * from {{ ref('int_attribute_statements') }}

)

{# Rows of the same priority have the same rule; the rest breaks ties between equal instants. #}
select
    profile_id,
    attribute,
    value,
    source,
    event_id,
    occurred_at,
    received_at,
    count(distinct value) over (partition by profile_id, attribute) - 1 as other_value_count
from statements
qualify
    row_number() over (
        partition by profile_id, attribute
        order by
            priority asc,
            case when survivor = 'latest' then occurred_at end desc,
            case when survivor = 'latest' then received_at end desc,
            occurred_at asc,
            received_at asc,
            value asc,
            event_id asc
    ) = 1
