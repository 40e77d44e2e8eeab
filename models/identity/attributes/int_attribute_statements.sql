{{ config(materialized='view') }}

{% set rules = attribute_rules(
    ref('attribute_rules'), ref('tracking_plan'), ref('identifier_rules')
) %}
{% set usable_value = usable_id('trimmed_statements.value', '*', ref('identifier_blocklist')) %}
{% set names = rules | map(attribute='event_name') | unique %}
{% set read_of_any = rules | selectattr('event_name', 'eq', '*') | map(attribute='part') | unique %}

with attribute_rules as (

    select * from {{ ref('attribute_rules') }}

),

planned_events as (

    select distinct event_name from {{ ref('tracking_plan') }}

),

{# By event name, so that the join to the events is an equality join. #}
rules as (

    select
        attribute_rules.* exclude (event_name),
        planned_events.event_name
    from attribute_rules
    inner join planned_events
        on attribute_rules.event_name in (planned_events.event_name, '*')

),

identity_map as (

    select * from {{ ref('identity_map') }}

),

{# Most events cannot have a value, and their JSON is not read. #}
events as (

    select profile_timeline.*
    from {{ ref('profile_timeline') }} as profile_timeline
    cross join {{ ref('data_clock') }} as data_clock
    where
        profile_timeline.occurred_at < data_clock.as_of
        and (
            profile_timeline.event_name in ('{{ names | join("', '") }}')
            {%- for part in read_of_any %}
            or profile_timeline.{{ part }} is not null
            {%- endfor %}
        )

),

statements as (

    select
        events.profile_id,
        events.event_id,
        events.source,
        events.occurred_at,
        events.received_at,
        rules.attribute,
        rules.path,
        rules.priority,
        rules.survivor,
        case rules.path
            when '' then ''
            {%- for rule in rules | unique(attribute='path') %}
            when '{{ rule.path }}'
                then {{ identifier_text('events', *rule.id_rule)
                    if rule.part == 'identifiers'
                    else json_text('events.' ~ rule.part, rule.key) }}
            {%- endfor %}
        end as said_text
    from events
    inner join rules
        on
            events.event_name = rules.event_name
            and rules.source in (events.source, '*')

),

trimmed_statements as (

    select
        * exclude (said_text),
        trim(said_text, ' ' || chr(9) || chr(10) || chr(13) || chr(160)) as value,
        case
            when path like 'identifiers.%'
                then replace(path, 'identifiers.', '') || ':' || said_text
        end as identifier_id
    from statements

)

{# Placeholders, objects and identifiers of other profiles are not values. #}
select trimmed_statements.* exclude (path, identifier_id)
from trimmed_statements
left join identity_map
    on
        trimmed_statements.identifier_id = identity_map.identifier_id
        and trimmed_statements.profile_id = identity_map.profile_id
where
    trimmed_statements.value <> ''
    and left(trimmed_statements.value, 1) not in ('{', '[')
    and {{ usable_value | indent(4) }} is not null
    and (trimmed_statements.identifier_id is null or identity_map.identifier_id is not null)
