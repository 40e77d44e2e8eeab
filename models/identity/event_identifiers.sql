{{ config(materialized='view') }}

{% set rules = seed_rows(
    ref('identifier_rules'), ['id_type', 'is_lower_cased', 'is_gmail_folded']
) %}
{% set columns = ['user_id', 'anonymous_id'] %}

{# Each column by itself: who looks for a few values reads no more than the rows that hold them. #}
with carried as (

    {% for column in columns %}
    {% set rule = rules | selectattr(0, 'equalto', column) | first | default([column], true) %}
    select
        '{{ column }}' as id_type,
        {{ identifier_text('events', *rule) | indent(8) }} as id_value,
        events.event_id,
        events.source,
        events.is_counted as is_evidence,
        events.occurred_at,
        events.received_at,
        events.updated_at,
        events.landed_file,
        events.landed_line
    from {{ ref('flagged_events') }} as events

    union all

    {% endfor %}
    select
        identifier_rules.id_type,
        case identifier_rules.id_type
            {%- for column in columns %}
            when '{{ column }}' then null
            {%- endfor %}
            {%- for rule in rules if rule[0] not in columns %}
            when '{{ rule[0] }}' then {{ identifier_text('events', *rule) }}
            {%- endfor %}
        end as id_value,
        events.event_id,
        events.source,
        events.is_counted as is_evidence,
        events.occurred_at,
        events.received_at,
        events.updated_at,
        events.landed_file,
        events.landed_line
    from {{ ref('flagged_events') }} as events
    cross join {{ ref('identifier_rules') }} as identifier_rules
    where events.identifiers is not null

)

select
    carried.event_id,
    carried.source,
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
