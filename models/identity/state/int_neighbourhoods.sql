{{
    config(
        materialized='connected_components',
        unique_key='node',
        incremental_strategy='delete+insert',
        post_hook="
            delete from {{ this }}
            where
                node in (select identifier_id from {{ ref('int_touched_identifiers') }})
                and node not in (select identifier_id from {{ ref('identifiers') }})
        ",
    )
}}

{% set watermark = identity_watermark() %}
{% set touched_identifiers = ref('int_touched_identifiers') %}

with identifiers as (

    select * from {{ ref('identifiers') }}

),

blocklist as (

    select * from {{ ref('int_blocklisted_identifiers') }}

),

{% if watermark %}
touches as (

    select * from {{ touched_identifiers }}

),

reached_components as (

    select
        neighbourhoods.component,
        count_if(touches.may_have_lost) > 0 as may_have_lost
    from {{ this }} as neighbourhoods
    inner join touches
        on neighbourhoods.node = touches.identifier_id
    group by neighbourhoods.component

),

known_nodes as (

    select
        neighbourhoods.node,
        neighbourhoods.component,
        reached_components.may_have_lost
    from {{ this }} as neighbourhoods
    inner join reached_components
        on neighbourhoods.component = reached_components.component

),

loosened_nodes as (

    select node from known_nodes
    where may_have_lost

),
{% endif %}

edges as (

    select * from {{ ref('identity_edges') }}
    where
        left_id not in (select blocklist.identifier_id from blocklist)
        and right_id not in (select blocklist.identifier_id from blocklist)

)

select
    identifier_id as left_node,
    identifier_id as right_node
from identifiers
{% if watermark %}
where
    identifier_id in (select touches.identifier_id from touches)
    or identifier_id in (select loosened_nodes.node from loosened_nodes)
{% endif %}

union all

select
    left_id as left_node,
    right_id as right_node
from edges
{% if watermark %}
{# Neighbourhoods that may have split are resolved edge by edge, ... #}
where
    left_id in (select loosened_nodes.node from loosened_nodes)
    or (
        left_id in (select touches.identifier_id from touches)
        and right_id in (select touches.identifier_id from touches)
    )

union all

{# ... and the others as stars of their known members. #}
select
    node as left_node,
    component as right_node
from known_nodes
where not may_have_lost
{% endif %}
