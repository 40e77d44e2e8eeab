{#-
    The rules of the live segments as functions of time: `rules` are {name, sql, traits, attributes,
    events, is_of_nothing, because}, `traits` are those that a rule with intervals reads, with
    `start`, `length` and `offsets` in microseconds after an event, and `attributes` the names of
    those of golden profiles. Empty while dbt only parses.
-#}
{% macro exact_declarations() %}
    {%- set nothing = {'rules': [], 'traits': [], 'attributes': []} -%}
    {{ return(declarations().exact(var('shop'), target.type) if execute else nothing) }}
{% endmacro %}

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
    The instants after an event at which traits can change, as SQL of its `occurred_at`, each with
    the SQL conditions of the events.
-#}
{% macro later_instants(traits) %}
    {%- set found = {} -%}
    {%- for trait in traits -%}
        {%- for offset in trait.offsets -%}
            {%- set instant = add_microseconds('occurred_at', offset) | trim -%}
            {%- do found.setdefault(instant, []).append(can_change_after(trait, offset)) -%}
        {%- endfor -%}
        {%- if trait.spec.aggregate == 'streak' -%}
            {#- It ends today or yesterday, so not on the day after these. -#}
            {%- set next, two_days = '_next_' ~ trait.name, 2 * 86400 * 1000000 -%}
            {%- set day = "date_trunc('day', occurred_at)" -%}
            {%- do found.setdefault(add_microseconds(day, two_days - 1) | trim, []).append(
                '(' ~ trait.name ~ ' is not null and (' ~ next ~ ' is null or ' ~ next ~ ' >= '
                ~ add_microseconds(day, two_days) | trim ~ '))'
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{#- The day of an event that a streak counts, in the CTE `periods`; else null. -#}
{% macro streak_day(trait) %}
    {{ return('case when ' ~ trait.name ~ ' is not null then cast(happened_at as date) end') }}
{% endmacro %}

{#- The same if a streak begins on this day, because there is no event on the day before. -#}
{% macro first_day_of_streak(trait) %}
    {%- set period = ', _period_' ~ trait.name if trait.spec.until -%}
    case
        when {{ trait.name }} is not null and coalesce(
            datediff('day', max({{ streak_day(trait) }}) over (
                partition by profile_id{{ period }} order by happened_at
                rows between unbounded preceding and 1 preceding
            ), cast(happened_at as date)) > 1,
            true
        )
            then cast(happened_at as date)
    end
{% endmacro %}

{#- The columns of `trait_readings` that mark the events of `until`. -#}
{% macro ends_of(traits) %}
    {%- set found = [] -%}
    {%- for trait in traits if trait.spec.until -%}
        {%- do found.append('_ends_' ~ trait.name) -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{#- Whether a row has any of these columns, or meets any of these conditions, as SQL. -#}
{% macro any_of(columns, conditions) %}
    {%- set found = conditions | list -%}
    {%- for column in columns -%}
        {%- do found.append(column ~ ' is not null') -%}
    {%- endfor -%}
    {{ return(found | join(' or ') or 'false') }}
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
    {%- if aggregate == 'listed' -%}
        coalesce(sum({{ name }}) {{ frame }}, 0) > 0
    {%- elif aggregate == 'count' -%}
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
    {%- elif aggregate == 'streak' -%}
        {#- An instant stands for a build whose clock is a microsecond later. -#}
        {%- set today = 'cast(' ~ add_microseconds('happened_at', 1) | trim ~ ' as date)' -%}
        {%- set last_day = 'max(_day_' ~ name ~ ') ' ~ frame -%}
        {#- If the event that began the streak no longer counts, the first one that does begins. -#}
        {%- set first_day = 'coalesce(max(_first_day_' ~ name ~ ') ' ~ frame
            ~ ', min(_day_' ~ name ~ ') ' ~ frame ~ ')' -%}
        case
            when datediff('day', {{ last_day }}, {{ today }}) <= 1
                then datediff('day', {{ first_day }}, {{ last_day }}) + 1
            else 0
        end
    {%- else -%}
        {{ 'min' if aggregate == 'first_at' else 'max' }}({{ name }}) {{ frame }}
    {%- endif -%}
{% endmacro %}
