{# A wrong time would leave a person on a list, or off it. #}
with lists as (

    select
        *,
        trim(listed_from) as written_from,
        trim(listed_until) as written_until,
        {{ try_timestamp('trim(listed_from)') | trim | indent(8) }} as time_from,
        {{ try_timestamp('trim(listed_until)') | trim | indent(8) }} as time_until
    from {{ ref('lists') }}

)

select
    list_name,
    id_type,
    listed_from,
    listed_until
from lists
where
    (written_from <> '' and time_from is null)
    or (written_until <> '' and time_until is null)
    or time_until <= time_from
