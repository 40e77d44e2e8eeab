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

blocklisted as (

    select * from {{ ref('int_blocklisted_identifiers') }}

),

{% if watermark %}
touched as (

    select * from {{ touched_identifiers }}

),

reached as (

    select
        neighbourhoods.component,
        count_if(touched.may_have_lost) > 0 as may_have_lost
    from {{ this }} as neighbourhoods
    inner join touched
        on neighbourhoods.node = touched.identifier_id
    group by neighbourhoods.component

),

known as (

    select
        neighbourhoods.node,
        neighbourhoods.component,
        reached.may_have_lost
    from {{ this }} as neighbourhoods
    inner join reached
        on neighbourhoods.component = reached.component

),

loosened as (

    select node from known
    where may_have_lost

),
{% endif %}

edges as (

    select * from {{ ref('identity_edges') }}
    where
        left_id not in (select blocklisted.identifier_id from blocklisted)
        and right_id not in (select blocklisted.identifier_id from blocklisted)

)

select
    identifier_id as left_node,
    identifier_id as right_node
from identifiers
{% if watermark %}
where
    identifier_id in (select touched.identifier_id from touched)
    or identifier_id in (select loosened.node from loosened)
{% endif %}

union all

select
    left_id as left_node,
    right_id as right_node
from edges
{% if watermark %}
{# What may have come apart is looked at edge by edge, ... #}
where
    left_id in (select loosened.node from loosened)
    or (
        left_id in (select touched.identifier_id from touched)
        and right_id in (select touched.identifier_id from touched)
    )

union all

{# ... and the rest as the star that it is known to be. #}
select
    node as left_node,
    component as right_node
from known
where not may_have_lost
{% endif %}
