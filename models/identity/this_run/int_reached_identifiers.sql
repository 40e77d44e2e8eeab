with touched as (

    select * from {{ ref('int_touched_identifiers') }}

),

neighbourhoods as (

    select * from {{ ref('int_neighbourhoods') }}

),

reached as (

    select neighbourhoods.component
    from neighbourhoods
    inner join touched
        on neighbourhoods.node = touched.identifier_id

)

select identifier_id from touched

union distinct

select node as identifier_id
from neighbourhoods
where component in (select reached.component from reached)
