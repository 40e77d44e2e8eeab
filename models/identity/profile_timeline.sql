{{ config(materialized='view') }}

{% set columns = ['priority', 'id_type', 'is_lower_cased', 'is_gmail_folded'] %}
{# The seed cannot be read while dbt parses. #}
{% set id_types = seed_rows(ref('identifier_rules'), columns) or [[1, 'user_id', false, false]] %}

with fct_events as (

    select * from {{ ref('fct_events') }}
    where is_counted

),

identity_map as (

    select * from {{ ref('identity_map') }}

),

{#
    The account of an event decides its profile; else the cookie, else the address. One join per
    type reads the event's own columns, row by row, so that a reader's filter reaches the events and
    nothing is grouped.
#}
owned_events as (

    select
        fct_events.*,
        coalesce(
            {%- for _ in id_types %}
            owners_{{ loop.index }}.profile_id,
            {%- endfor %}
            null
        ) as profile_id
    from fct_events
    {% for rule in id_types %}
    left join identity_map as owners_{{ loop.index }}
        on
            owners_{{ loop.index }}.id_type = '{{ rule[1] }}'
            and owners_{{ loop.index }}.id_value
            = {{ identifier_text('fct_events', *rule[1:]) }}
            and (
                owners_{{ loop.index }}.valid_from is null
                or owners_{{ loop.index }}.valid_from <= fct_events.occurred_at
            )
            and (
                owners_{{ loop.index }}.valid_to is null
                or owners_{{ loop.index }}.valid_to > fct_events.occurred_at
            )
    {% endfor %}

)

select * from owned_events
where profile_id is not null
