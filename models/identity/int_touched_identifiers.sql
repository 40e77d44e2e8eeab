{% set watermark = identity_watermark() %}
{% set progress = this.incorporate(path={'identifier': 'identity_progress'}) %}

with landed as (

    {# Whatever became of the row: a repeat or a quarantined one may have been evidence before. #}
    select
        identifier_id,
        id_value,
        count_if(not is_evidence) > 0 as may_have_lost,
        max(updated_at) as updated_at
    from {{ ref('event_identifiers') }}
    {% if watermark %}
    where updated_at > timestamp '{{ watermark }}'
    {% endif %}
    group by identifier_id, id_value

),

{# A pair is an edge while both ends are evidence: what lands of one touches the other as well. #}
matches as (

    select * from {{ ref('identity_matches') }}
    {% if watermark %}
    where
        updated_at > (
            select coalesce(max(progress.matched_at), timestamp '0001-01-01 00:00:00')
            from {{ progress }} as progress
        )
        or left_id in (select landed.identifier_id from landed)
        or right_id in (select landed.identifier_id from landed)
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

touched as (

    select
        identifier_id,
        id_value,
        may_have_lost,
        updated_at,
        cast(null as {{ dbt.type_timestamp() }}) as matched_at
    from landed

    union all

    select
        identifier_id,
        substring(identifier_id, position(':' in identifier_id) + 1) as id_value,
        is_withdrawn as may_have_lost,
        cast(null as {{ dbt.type_timestamp() }}) as updated_at,
        updated_at as matched_at
    from ends

)

select
    identifier_id,
    id_value,
    count_if(may_have_lost) > 0 as may_have_lost,
    max(updated_at) as updated_at,
    max(matched_at) as matched_at
from touched
group by identifier_id, id_value
