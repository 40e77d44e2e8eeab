with edges as (

    select * from {{ ref('int_edge_guards') }}
    where rule is null

),

identifiers as (

    select * from {{ ref('int_identifier_guards') }}

),

components as (

    select * from {{ ref('int_components') }}

),

contested as (

    select
        components.component,
        identifiers.id_type,
        count(*) as account_count
    from components
    inner join identifiers
        on components.node = identifiers.identifier_id
    where identifiers.is_unique_per_profile
    group by components.component, identifiers.id_type
    having count(*) > 1

)

{# What touches an account stays: it was seen with the account itself, and with no other. #}
select
    edges.edge_id,
    components.component,
    'joins ' || cast(max(contested.account_count) as varchar) || ' accounts' as reason
from edges
inner join components
    on edges.left_id = components.node
inner join contested
    on
        components.component = contested.component
        and contested.id_type not in (edges.left_type, edges.right_type)
group by edges.edge_id, components.component
