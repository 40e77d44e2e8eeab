with edges as (

    select * from {{ ref('int_reached_edge_guards') }}
    where
        rule is null
        and edge_id not in (
            select bridges.edge_id
            from {{ ref('int_reached_edges_joining_accounts') }} as bridges
        )

),

exclusions as (

    select * from {{ ref('int_exclusions') }}

),

components as (

    select * from {{ ref('int_reached_components') }}

),

limbs as (

    select * from {{ ref('int_reached_components_without_pair') }}

),

ends as (

    select
        left_id as identifier_id,
        right_id as neighbour_id,
        edge_id,
        probability is not null as is_match,
        first_received_at
    from edges

    union all

    select
        right_id as identifier_id,
        left_id as neighbour_id,
        edge_id,
        probability is not null as is_match,
        first_received_at
    from edges

),

claims as (

    {#
        Each pair is in both directions, so this covers the edges of either identifier to a
        component.
    #}
    select
        ends.edge_id,
        exclusions.left_id as identifier_id,
        exclusions.reason,
        first_value(exclusions.left_id) over (
            partition by limbs.component
            order by ends.is_match, ends.first_received_at, exclusions.left_id
            rows between unbounded preceding and current row
        ) as first_id
    from exclusions
    inner join ends
        on exclusions.left_id = ends.identifier_id
    inner join limbs
        on md5(exclusions.exclusion_id || ends.neighbour_id) = limbs.node

)

select
    claims.edge_id,
    components.component,
    min(claims.reason) as reason
from claims
inner join components
    on claims.identifier_id = components.node
where claims.identifier_id <> claims.first_id
group by claims.edge_id, components.component
