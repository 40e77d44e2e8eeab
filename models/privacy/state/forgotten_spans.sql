{{ config(materialized='view') }}

{#
    Two people may have overlapping spans on a device, since each was resolved after the other was
    gone. The spans are cut at every boundary, so that pieces do not overlap and a row meets at most
    one.
#}
{% set always = "timestamp '0001-01-01 00:00:00'" %}
{% set never = "timestamp '9999-12-31 00:00:00'" %}

with forgotten_identifiers as (

    select
        identifier_hash,
        requested_at,
        valid_from is not null or valid_to is not null as is_shared,
        coalesce(valid_from, {{ always }}) as span_from,
        coalesce(valid_to, {{ never }}) as span_to
    from {{ ref('forgotten_identifiers') }}

),

edges as (

    select
        identifier_hash,
        span_from as edge
    from forgotten_identifiers

    union distinct

    select
        identifier_hash,
        span_to as edge
    from forgotten_identifiers

),

pieces as (

    select
        identifier_hash,
        edge as span_from,
        lead(edge) over (partition by identifier_hash order by edge) as span_to
    from edges

)

select
    pieces.identifier_hash,
    pieces.span_from,
    pieces.span_to,
    min(cast(forgotten_identifiers.is_shared as integer)) = 1 as is_shared,
    max(forgotten_identifiers.requested_at) as requested_at
from pieces
inner join forgotten_identifiers
    on
        pieces.identifier_hash = forgotten_identifiers.identifier_hash
        and pieces.span_from >= forgotten_identifiers.span_from
        and pieces.span_to <= forgotten_identifiers.span_to
group by pieces.identifier_hash, pieces.span_from, pieces.span_to
