{{ config(materialized='view') }}

{% set columns = ['user_id', 'anonymous_id'] %}
{% set rules = seed_rows(
    ref('identifier_rules'), ['id_type', 'is_lower_cased', 'is_gmail_folded']
) %}

with texts as (

    select
        flagged_events.*,
        identifier_rules.id_type,
        identifier_rules.is_lower_cased,
        identifier_rules.is_gmail_folded,
        case identifier_rules.id_type
            {%- for column in columns %}
            when '{{ column }}' then null
            {%- endfor %}
            {%- for (id_type, _, _) in rules if id_type not in columns %}
            when '{{ id_type }}' then {{ json_text('flagged_events.identifiers', id_type) }}
            {%- endfor %}
        end as id_text
    from {{ ref('flagged_events') }} as flagged_events
    cross join {{ ref('identifier_rules') }} as identifier_rules
    where flagged_events.identifiers is not null

),

{#
    Each column by itself and, where case counts, just as it is (blanks were trimmed when the row was
    judged): whoever looks for a few values reads no more than the rows that hold them.
#}
carried as (

    {% for column in columns %}
    {% set _, is_lower_cased, is_gmail_folded =
        rules | selectattr(0, 'equalto', column) | first | default([column, false, false], true) %}
    select
        '{{ column }}' as id_type,
        {{
            normalized_identifier(column, is_lower_cased, is_gmail_folded) | indent(8)
            if is_lower_cased or is_gmail_folded else column
        }} as id_value,
        event_id,
        source,
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
        id_type,
        {{ normalized_identifier('id_text', 'is_lower_cased', 'is_gmail_folded') | indent(8) }}
            as id_value,
        event_id,
        source,
        is_counted as is_evidence,
        occurred_at,
        received_at,
        updated_at,
        landed_file,
        landed_line
    from texts
    where id_text <> ''

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
