{% set watermark = identity_watermark() %}
{% set progress = relation_of('identity_progress') %}

with removals as (

    select * from {{ ref('int_pending_removals') }}
    {% if watermark %}
    where removed_at > timestamp '{{ watermark }}'
    {% endif %}

),

removed_identifiers as (

    {{ carried_identifiers('removals', ['removed_at']) | indent(4) }}

),

{# Only arrivals advance the progress of a run: the time of a removal is not on their scale. #}
landed_identifiers as (

    select
        identifier_id,
        {% if watermark %}
        coalesce(max(lost_at) > timestamp '{{ watermark }}', false) as may_have_lost,
        {% else %}
        count(lost_at) > 0 as may_have_lost,
        {% endif %}
        max(updated_at) as updated_at
    from {{ ref('identifier_sets') }}
    {% if watermark %}
    where updated_at > timestamp '{{ watermark }}'
    {% endif %}
    group by identifier_id

    union all

    select distinct
        identifier_id,
        true as may_have_lost,
        cast(null as {{ dbt.type_timestamp() }}) as updated_at
    from removed_identifiers

),

{# A pair is an edge while both ends are evidence, so a row with one end also touches the other. #}
matches as (

    select * from {{ ref('identity_matches') }}
    {% if watermark %}
    where
        updated_at > (
            select coalesce(max(progress.matched_at), timestamp '0001-01-01 00:00:00')
            from {{ progress }} as progress
        )
        or left_id in (select landed_identifiers.identifier_id from landed_identifiers)
        or right_id in (select landed_identifiers.identifier_id from landed_identifiers)
    {% endif %}

),

ends as (

    select
        left_id as identifier_id,
        is_withdrawn,
        updated_at
    from matches

    union all

    select
        right_id as identifier_id,
        is_withdrawn,
        updated_at
    from matches

),

touched_identifiers as (

    select
        identifier_id,
        may_have_lost,
        updated_at,
        cast(null as {{ dbt.type_timestamp() }}) as matched_at
    from landed_identifiers

    union all

    select
        identifier_id,
        is_withdrawn as may_have_lost,
        cast(null as {{ dbt.type_timestamp() }}) as updated_at,
        updated_at as matched_at
    from ends

)

select
    identifier_id,
    count_if(may_have_lost) > 0 as may_have_lost,
    max(updated_at) as updated_at,
    max(matched_at) as matched_at
from touched_identifiers
group by identifier_id
