with touched_identifiers as (

    select * from {{ ref('int_touched_identifiers') }}

),

neighbourhoods as (

    select * from {{ ref('int_neighbourhoods') }}

),

reached_components as (

    select neighbourhoods.component
    from neighbourhoods
    inner join touched_identifiers
        on neighbourhoods.node = touched_identifiers.identifier_id

)

select identifier_id from touched_identifiers

union distinct

select node as identifier_id
from neighbourhoods
where component in (select reached_components.component from reached_components)
