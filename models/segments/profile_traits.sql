{# The traits are declared in the subfolders of this folder; here they become one scan. #}

with trait_readings as (

    select
        readings.*,
        data_clock.as_of
    from {{ ref('trait_readings') }} as readings
    cross join {{ ref('data_clock') }} as data_clock

),

counters as (

    select
        *
        {{ trait_counters() | indent(8) }}
    from trait_readings

),

aggregates as (

    select
        {{ trait_columns() | indent(8) }}
        profile_id
    from counters
    group by profile_id

)

select
    {{ formula_columns() | indent(4) }}
    *
from aggregates
