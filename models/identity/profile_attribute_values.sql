with statements as (

    select * from {{ ref('int_attribute_statements') }}

)

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
        order by {{ attribute_precedence() | trim | indent(12) }}
    ) = 1
