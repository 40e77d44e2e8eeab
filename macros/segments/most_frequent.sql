{#-
    CTEs over the CTE `readings` that end with `steps_of_<trait>`: the value of a trait with
    `most_frequent` from an instant on, until the next one, numbered by `_step_<trait>`. There is no
    row before the first value.

    A window over the events cannot compute it, because each value has a count of its own. So the
    spans of time in which a value has one count are found first. Each has a rank: the count, then
    the number of its last event. At each instant the highest rank wins.
-#}
{% macro most_frequent_steps(trait) %}
{%- set name, until = trait.name, '_until_' ~ trait.name -%}
{%- set begin, end, ceases = 'occurred_at', none, name ~ ' is not null' -%}
{%- if trait.start -%}
    {%- set begin = add_microseconds('occurred_at', trait.start) | trim -%}
{%- endif -%}
{%- if trait.length is not none -%}
    {%- set end = add_microseconds('occurred_at', trait.start + trait.length) | trim -%}
{%- endif -%}
{%- if trait.spec.until and end is none -%}
    {%- set end, ceases = until, ceases ~ ' and ' ~ until ~ ' is not null' -%}
{%- elif trait.spec.until -%}
    {%- set end = 'case when ' ~ until ~ ' < ' ~ end ~ ' then ' ~ until
        ~ ' else ' ~ end ~ ' end' -%}
{%- endif -%}
{#-
    When events begin and cease to count. One that is ended while it waits ceases first; then
    nothing counts until it begins, so this is no count above 0.
-#}
changes_of_{{ name }} as (

    select
        profile_id,
        {{ name }} as counted,
        event_number,
        1 as change,
        {{ begin }} as happened_at
    from readings
    where {{ name }} is not null
    {% if end is not none %}
    union all
    select
        profile_id,
        {{ name }} as counted,
        null as event_number,
        -1 as change,
        {{ end }} as happened_at
    from readings
    where {{ ceases }}
    {% endif %}

),

counts_of_{{ name }} as (

    select distinct
        profile_id,
        counted,
        happened_at,
        dense_rank() over (partition by profile_id order by happened_at) as instant,
        sum(change) over (
            partition by profile_id, counted order by happened_at
            range between unbounded preceding and current row
        ) as event_count,
        {# Events cease to count in their order, so the last one that began counts longest. #}
        max(event_number) over (
            partition by profile_id, counted order by happened_at
            range between unbounded preceding and current row
        ) as last_number
    from changes_of_{{ name }}

),

ranks_of_{{ name }} as (

    select
        profile_id,
        counted,
        happened_at,
        instant,
        lead(instant) over (partition by profile_id, counted order by instant) as next_instant,
        max(instant) over (partition by profile_id) as last_instant,
        case
            when event_count > 0 then event_count * 1000000000 + last_number
        end as count_rank
    from counts_of_{{ name }}

),
{% if end is not none %}
{{ highest_ranks(name) }}
{% else %}
{# Counts only grow, so a value wins from the instant on at which its rank is the highest yet. #}
winners_of_{{ name }} as (

    select
        profile_id,
        happened_at,
        counted
    from ranks_of_{{ name }}
    qualify count_rank = max(count_rank) over (
        partition by profile_id order by happened_at
        range between unbounded preceding and current row
    )

),
{% endif %}
changed_winners_of_{{ name }} as (

    select * from winners_of_{{ name }}
    qualify
        coalesce(
            counted <> lag(counted) over (partition by profile_id order by happened_at),
            (counted is null)
            <> (lag(counted) over (partition by profile_id order by happened_at) is null)
        )

),

steps_of_{{ name }} as (

    select
        profile_id,
        happened_at,
        counted as {{ name }},
        row_number() over (partition by profile_id order by happened_at) as _step_{{ name }}
    from changed_winners_of_{{ name }}

),
{% endmacro %}

{#-
    CTEs over `ranks_of_<name>` that end with `winners_of_<name>`: the value with the highest rank
    at each instant, null if there is none.

    To compare each instant with all spans around it would be quadratic in the events of a person.
    So the instants, by their number, are divided into blocks of 1, 2, 4, ... instants. A span is a
    few blocks, at most two of a width, and an instant lies in one block of each width.
-#}
{% macro highest_ranks(name) %}
widths_of_{{ name }} as (

    {% set widths = [] %}
    {% for power in range(30) %}{% do widths.append('(' ~ 2 ** power ~ ')') %}{% endfor %}
    select width from (values {{ widths | join(', ') }}) as widths (width)

),

{# From the first block that begins in the span, to the beginning of the last that ends after it. #}
spans_of_{{ name }} as (

    select
        ranks.profile_id,
        ranks.counted,
        ranks.count_rank,
        widths.width,
        ranks.instant + mod(widths.width - mod(ranks.instant, widths.width), widths.width)
            as first_block,
        coalesce(ranks.next_instant, ranks.last_instant + 1)
        - mod(coalesce(ranks.next_instant, ranks.last_instant + 1), widths.width) as end_block
    from ranks_of_{{ name }} as ranks
    inner join widths_of_{{ name }} as widths
        on widths.width <= coalesce(ranks.next_instant, ranks.last_instant + 1) - ranks.instant
    where ranks.count_rank is not null

),

{# A span uses a block if the one of twice its width around it is not within the span. #}
blocks_of_{{ name }} as (

    select
        profile_id,
        width,
        first_block as block,
        counted,
        count_rank
    from spans_of_{{ name }}
    where first_block < end_block and mod(first_block, 2 * width) = width
    union all
    select
        profile_id,
        width,
        end_block - width as block,
        counted,
        count_rank
    from spans_of_{{ name }}
    where first_block < end_block and mod(end_block, 2 * width) = width

),

highest_of_{{ name }} as (

    select
        profile_id,
        width,
        block,
        max_by(counted, count_rank) as counted,
        max(count_rank) as count_rank
    from blocks_of_{{ name }}
    group by profile_id, width, block

),

winners_of_{{ name }} as (

    select
        instants.profile_id,
        instants.happened_at,
        max_by(highest.counted, highest.count_rank) as counted
    from (
        select distinct
            profile_id,
            happened_at,
            instant,
            last_instant
        from ranks_of_{{ name }}
    ) as instants
    inner join widths_of_{{ name }} as widths
        on widths.width <= instants.last_instant
    left join highest_of_{{ name }} as highest
        on
            instants.profile_id = highest.profile_id
            and widths.width = highest.width
            and instants.instant - mod(instants.instant, widths.width) = highest.block
    group by instants.profile_id, instants.happened_at

),
{% endmacro %}
