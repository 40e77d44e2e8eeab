with edges as (

    select * from {{ ref('int_reached_edge_guards') }}
    where
        rule is null
        and edge_id not in (
            select bridges.edge_id
            from {{ ref('int_reached_edges_joining_accounts') }} as bridges
        )
        and edge_id not in (
            select cuts.edge_id
            from {{ ref('int_reached_edges_joining_excluded') }} as cuts
        )

),

identifiers as (

    select * from {{ ref('int_reached_identifier_guards') }}

),

identifier_limits as (

    select * from {{ ref('identifier_limits') }}

),

components as (

    select * from {{ ref('int_reached_components') }}

),

cut_components as (

    select * from {{ ref('int_reached_components_after_refusals') }}

),

members as (

    select
        components.component,
        coalesce(cut_components.component, components.component) as cut_component,
        identifiers.*,
        identifier_limits.max_per_profile as most_of_type,
        limits_in_all.max_per_profile as most_in_all
    from components
    left join cut_components
        on components.node = cut_components.node
    inner join identifiers
        on components.node = identifiers.identifier_id
    left join identifier_limits
        on identifiers.id_type = identifier_limits.id_type
    left join identifier_limits as limits_in_all
        on limits_in_all.id_type = '*'

),

crowded_components as (

    {# Few components are over a limit, so few identifiers are ranked. #}
    select cut_component from members
    group by cut_component, id_type, most_of_type
    having count(*) > most_of_type

    union distinct

    select cut_component from members
    group by cut_component, most_in_all
    having count(*) > most_in_all

),

ranked_members as (

    select
        *,
        row_number() over (
            partition by cut_component, id_type order by first_received_at, id_value
        ) as rank_in_type
    from members
    where cut_component in (select crowded_components.cut_component from crowded_components)

),

members_ranked_in_all as (

    {#
        Identifiers already over a limit do not count; accounts come first, since others depend on
        them.
    #}
    select
        *,
        coalesce(rank_in_type > most_of_type, false) as is_over_in_type,
        row_number() over (
            partition by cut_component, coalesce(rank_in_type > most_of_type, false)
            order by not is_unique_per_profile, first_received_at, priority, id_value
        ) as rank_in_all
    from ranked_members

),

excess as (

    select
        identifier_id,
        component,
        case
            when is_over_in_type
                then 'more_than_' || cast(most_of_type as varchar) || '_' || id_type
            else 'more_than_' || cast(most_in_all as varchar) || '_identifiers'
        end as rule,
        'the ' || id_type || ' is number '
        || cast(case when is_over_in_type then rank_in_type else rank_in_all end as varchar)
        || ' by time of receipt' as reason
    from members_ranked_in_all
    where is_over_in_type or rank_in_all > most_in_all

)

{#
    All edges of an identifier over the limit are refused: alone it exceeds no limit, and the rest
    gets smaller.
#}
select
    edges.edge_id,
    coalesce(lefts.component, rights.component) as component,
    coalesce(lefts.rule, rights.rule) as rule,
    coalesce(lefts.reason, rights.reason) as reason
from edges
left join excess as lefts
    on edges.left_id = lefts.identifier_id
left join excess as rights
    on edges.right_id = rights.identifier_id
where lefts.identifier_id is not null or rights.identifier_id is not null
