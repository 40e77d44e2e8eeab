{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='edge_id',
        post_hook='delete from {{ this }} where event_count = 0 and probability is null',
    )
}}

{% set touched_identifiers = ref('int_touched_identifiers') %}

with

{% if is_incremental() %}
touches as (

    select * from {{ touched_identifiers }}

),
{% endif %}

identifier_sets as (

    select * from {{ ref('identifier_sets') }}
    where
        event_count > 0
    {% if is_incremental() %}
        and identifier_id in (select touches.identifier_id from touches)
    {% endif %}

),

by_source as (

    select
        lefts.identifier_id as left_id,
        rights.identifier_id as right_id,
        lefts.id_type as left_type,
        lefts.id_value as left_value,
        rights.id_type as right_type,
        rights.id_value as right_value,
        lefts.source,
        min(lefts.first_received_at) as first_received_at,
        max(lefts.last_received_at) as last_received_at,
        min(lefts.first_seen_at) as first_seen_at,
        max(lefts.last_seen_at) as last_seen_at,
        sum(lefts.event_count) as event_count,
        max(lefts.updated_at) as updated_at
    from identifier_sets as lefts
    inner join identifier_sets as rights
        on
            lefts.set_id = rights.set_id
            and lefts.id_type < rights.id_type
    group by
        lefts.identifier_id, rights.identifier_id, lefts.id_type, lefts.id_value, rights.id_type,
        rights.id_value, lefts.source

),

counted_edges as (

    select
        md5(md5(left_id) || md5(right_id)) as edge_id,
        left_id,
        right_id,
        left_type,
        left_value,
        right_type,
        right_value,
        min(first_received_at) as first_received_at,
        max(last_received_at) as last_received_at,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        {{ dbt.listagg('source', "', '", 'order by source') }} as sources,
        cast(sum(event_count) as bigint) as event_count,
        cast(null as double) as probability,
        max(updated_at) as updated_at
    from by_source
    group by left_id, right_id, left_type, left_value, right_type, right_value

),

matches as (

    select
        *,
        md5(md5(left_id) || md5(right_id)) as edge_id
    from {{ ref('identity_matches') }}
    where
        not is_withdrawn
    {% if is_incremental() %}
        and left_id in (select touches.identifier_id from touches)
        and right_id in (select touches.identifier_id from touches)
    {% endif %}

),

identifiers as (

    select * from {{ ref('identifiers') }}

),

{# Pairs that were never seen together. #}
matched_edges as (

    select
        matches.edge_id,
        matches.left_id,
        matches.right_id,
        lefts.id_type as left_type,
        lefts.id_value as left_value,
        rights.id_type as right_type,
        rights.id_value as right_value,
        matches.matched_at as first_received_at,
        matches.matched_at as last_received_at,
        matches.matched_at as first_seen_at,
        matches.matched_at as last_seen_at,
        'matching' as sources,
        cast(0 as bigint) as event_count,
        matches.probability,
        matches.updated_at
    from matches
    inner join identifiers as lefts
        on matches.left_id = lefts.identifier_id
    inner join identifiers as rights
        on matches.right_id = rights.identifier_id
    where matches.edge_id not in (select counted_edges.edge_id from counted_edges)

)

select * from counted_edges

union all

select * from matched_edges

{% if is_incremental() %}
union all

{# No evidence is left: this row replaces the old one, and the post hook deletes it. #}
select
    edge_id,
    left_id,
    right_id,
    left_type,
    left_value,
    right_type,
    right_value,
    first_received_at,
    last_received_at,
    first_seen_at,
    last_seen_at,
    sources,
    0 as event_count,
    null as probability,
    updated_at
from {{ this }}
where
    left_id in (select touches.identifier_id from touches)
    and right_id in (select touches.identifier_id from touches)
    and edge_id not in (select counted_edges.edge_id from counted_edges)
    and edge_id not in (select matched_edges.edge_id from matched_edges)
{% endif %}
