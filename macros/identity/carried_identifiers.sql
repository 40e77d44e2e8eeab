{#-
    One row per row of a relation and identifier that it carries, normalized by `identifier_rules`.
    Each column has its own select, so that a search for a few values reads only their rows.
-#}
{% macro carried_identifiers(relation, kept) -%}
{%- set rules = seed_rows(
    ref('identifier_rules'), ['id_type', 'is_lower_cased', 'is_gmail_folded']
) -%}
{%- set columns = ['user_id', 'anonymous_id'] -%}
select
    identifier_rules.id_type || ':' || carried.id_value as identifier_id,
    identifier_rules.priority,
    carried.*
from (
    {%- for column in columns %}
    {%- set rule = rules | selectattr(0, 'equalto', column) | first | default([column], true) %}
    select
        '{{ column }}' as id_type,
        {{ identifier_text('events', *rule) }} as id_value,
        events.{{ kept | join(', events.') }}
    from {{ relation }} as events

    union all
    {%- endfor %}
    select
        types.id_type,
        case types.id_type
            {%- for column in columns %}
            when '{{ column }}' then null
            {%- endfor %}
            {%- for rule in rules if rule[0] not in columns %}
            when '{{ rule[0] }}' then {{ identifier_text('events', *rule) }}
            {%- endfor %}
        end as id_value,
        events.{{ kept | join(', events.') }}
    from {{ relation }} as events
    cross join {{ ref('identifier_rules') }} as types
    where events.identifiers is not null
) as carried
inner join {{ ref('identifier_rules') }} as identifier_rules
    on carried.id_type = identifier_rules.id_type
where carried.id_value <> ''
{%- endmacro %}
