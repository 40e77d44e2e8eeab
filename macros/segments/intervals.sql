{#-
    The rules of the live segments as functions of time: `rules` are {name, sql, events, because},
    `traits` are those that a rule with intervals reads, with `start`, `length` and `offsets` in
    microseconds after an event. Empty while dbt only parses.
-#}
{% macro exact_declarations() %}
    {{ return(
        declarations().exact(var('shop'), target.type) if execute else {'rules': [], 'traits': []}
    ) }}
{% endmacro %}

{#- What a trait reads from an event that it counts, as an SQL expression; else null. -#}
{% macro trait_reading(trait, plan) %}
    {%- set spec = trait.spec -%}
    {%- set text = json_text('properties', spec.property) | trim if spec.property else none -%}
    {%- if spec.aggregate in ['count', 'exists'] -%}
        {%- set value = '1' -%}
    {%- elif spec.aggregate in ['first_at', 'last_at', 'days_since', 'minutes_since'] -%}
        {%- set value = 'occurred_at' -%}
    {%- elif spec.aggregate in ['count_distinct', 'first', 'last'] -%}
        {%- set value = text -%}
    {%- else -%}
        {%- set value = try_number(text) | trim -%}
    {%- endif -%}
    {%- set filters = trait_filters(trait, plan) -%}
    {%- if spec.until -%}
        {%- set until = '_until_' ~ trait.name -%}
        {%- do filters.append('(' ~ until ~ ' is null or ' ~ until ~ ' > occurred_at)') -%}
    {%- endif -%}
    case when {{ filters | join(' and ') or 'true' }} then {{ value }} end
{%- endmacro %}

{#- Whether the last event that a trait counts decides its value. -#}
{% macro is_of_last_event(trait) %}
    {{ return(trait.spec.aggregate in ['last_at', 'days_since', 'minutes_since']) }}
{% endmacro %}

{#- Whether the first event that a trait counts decides its value, forever. -#}
{% macro is_of_first_event(trait) %}
    {{ return(
        trait.spec.aggregate in ['exists', 'first_at']
        and trait.length is none
        and not trait.spec.until
    ) }}
{% endmacro %}

{#-
    Whether a trait can change `offset` microseconds after an event, as an SQL condition. An event
    no longer decides its value once a later one counts, or never if an earlier one does.
-#}
{% macro can_change_after(trait, offset) %}
    {%- if is_of_last_event(trait) -%}
        {%- set next = '_next_' ~ trait.name -%}
        {%- set delay = offset - trait.start -%}
        {{ return(
            '(' ~ trait.name ~ ' is not null and (' ~ next ~ ' is null or ' ~ next ~ ' > '
            ~ add_microseconds(trait.name, delay) | trim ~ '))'
        ) }}
    {%- elif is_of_first_event(trait) -%}
        {{ return(
            '(' ~ trait.name ~ ' is not null and _former_' ~ trait.name ~ ' is null)'
        ) }}
    {%- endif -%}
    {{ return(trait.name ~ ' is not null') }}
{% endmacro %}

{#-
    The value of a trait at an instant, over the readings up to it: a window over the rows of the
    profile in the order of time. Rows of the same instant see each other.
-#}
{% macro trait_at_instant(trait) %}
    {%- set name, aggregate = trait.name, trait.spec.aggregate -%}
    {%- set from = 'unbounded preceding' if trait.length is none else
        "interval '" ~ (trait.start + trait.length - 1) ~ " microseconds' preceding" -%}
    {%- set to = "interval '" ~ trait.start ~ " microseconds' preceding" if trait.start
        else 'current row' -%}
    {%- set period = ', _period_' ~ name if trait.spec.until -%}
    {%- set frame = 'over (partition by profile_id' ~ period
        ~ ' order by happened_at range between ' ~ from ~ ' and ' ~ to ~ ')' -%}
    {%- if aggregate == 'count' -%}
        count({{ name }}) {{ frame }}
    {%- elif aggregate == 'exists' -%}
        count({{ name }}) {{ frame }} > 0
    {%- elif aggregate == 'count_distinct' -%}
        count(distinct {{ name }}) {{ frame }}
    {%- elif aggregate == 'sum' -%}
        round(coalesce(sum({{ name }}) {{ frame }}, 0), 6)
    {%- elif aggregate in ['average', 'min', 'max'] -%}
        round({{ {'average': 'avg'}.get(aggregate, aggregate) }}({{ name }}) {{ frame }}, 6)
    {%- elif aggregate in ['first', 'last'] -%}
        {{ 'min_by' if aggregate == 'first' else 'max_by' }}(
            {{ name }}, case when {{ name }} is not null then event_number end
        ) {{ frame }}
    {%- else -%}
        {{ 'min' if aggregate == 'first_at' else 'max' }}({{ name }}) {{ frame }}
    {%- endif -%}
{% endmacro %}
