{{ config(materialized='view') }}

{% set rules = dict(seed_rows(ref('identifier_rules'), ['id_type', 'is_lower_cased'])) %}

{#
    Each column by itself, as it is where case counts: whoever looks for a few values reads no more
    than the rows that hold them.
#}
with carried as (

    {% for column in ['user_id', 'anonymous_id'] %}
    select
        '{{ column }}' as id_type,
        {{ 'lower(' ~ column ~ ')' if rules.get(column) else column }} as id_value,
        event_id,
        is_counted as is_evidence,
        occurred_at,
        received_at,
        updated_at,
        landed_file,
        landed_line
    from {{ ref('flagged_events') }}

    union all

    {% endfor %}
    select
        identifier_rules.id_type,
        case identifier_rules.id_type
            {%- for id_type, is_lower_cased in rules.items() %}
            {%- set text = 'trim(' ~ json_text('flagged_events.identifiers', id_type) ~ ')' %}
            when '{{ id_type }}' then {{ 'lower(' ~ text ~ ')' if is_lower_cased else text }}
            {%- endfor %}
        end as id_value,
        flagged_events.event_id,
        flagged_events.is_counted as is_evidence,
        flagged_events.occurred_at,
        flagged_events.received_at,
        flagged_events.updated_at,
        flagged_events.landed_file,
        flagged_events.landed_line
    from {{ ref('flagged_events') }} as flagged_events
    cross join {{ ref('identifier_rules') }} as identifier_rules
    where
        flagged_events.identifiers is not null
        and identifier_rules.id_type not in ('user_id', 'anonymous_id')

)

select
    carried.event_id,
    carried.id_type || ':' || carried.id_value as identifier_id,
    carried.id_type,
    carried.id_value,
    identifier_rules.priority,
    carried.is_evidence,
    carried.occurred_at,
    carried.received_at,
    carried.updated_at,
    carried.landed_file,
    carried.landed_line
from carried
inner join {{ ref('identifier_rules') }} as identifier_rules
    on carried.id_type = identifier_rules.id_type
where carried.id_value <> ''
