{#-
    The identifier of a type that an event carries, normalized by `identifier_rules`. Columns were
    trimmed when the row was validated, so a case-sensitive type is the plain column, in which a
    warehouse can look up values.
-#}
{% macro identifier_text(event, id_type, is_lower_cased=false, is_gmail_folded=false) -%}
    {%- set is_column = id_type in ['user_id', 'anonymous_id'] -%}
    {%- set text = event ~ '.' ~ id_type if is_column
        else json_text(event ~ '.identifiers', id_type) -%}
    {%- if is_lower_cased or is_gmail_folded -%}
        {{ return(normalized_identifier(text, is_lower_cased, is_gmail_folded)) }}
    {%- endif -%}
    {{ return(text if is_column else 'trim(' ~ text ~ ')') }}
{%- endmacro %}

{#- Key of the set of identifiers that an event carries: its source, its columns, its JSON. -#}
{% macro identifier_set_id(event) -%}
md5(
    {%- for column in ['source', 'anonymous_id', 'user_id', 'identifiers'] %}
    md5(coalesce(cast({{ event }}.{{ column }} as varchar), '')){{ ' ||' if not loop.last }}
    {%- endfor %}
)
{%- endmacro %}

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
