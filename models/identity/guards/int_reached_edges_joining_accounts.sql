with edges as (

    select * from {{ ref('int_reached_edge_guards') }}
    where rule is null

),

components as (

    select * from {{ ref('int_reached_components') }}

),

account_types as (

    select id_type from {{ ref('identifier_rules') }}
    where is_unique_per_profile

),

regions as (

    {# A component without two accounts of a type has no such edges. #}
    select
        account_types.id_type,
        substr(regions.node, length(account_types.id_type) + 2) as identifier_id,
        substr(regions.region, length(account_types.id_type) + 2) as account_id
    from {{ ref('int_reached_account_regions') }} as regions
    inner join account_types
        on split_part(regions.node, ' ', 1) = account_types.id_type

)

select
    edges.edge_id,
    components.component,
    min(
        'would join ' || least(lefts.account_id, rights.account_id)
        || ' and ' || greatest(lefts.account_id, rights.account_id)
    ) as reason
from edges
inner join components
    on edges.left_id = components.node
inner join regions as lefts
    on edges.left_id = lefts.identifier_id
inner join regions as rights
    on
        edges.right_id = rights.identifier_id
        and lefts.id_type = rights.id_type
where lefts.account_id <> rights.account_id
group by edges.edge_id, components.component
