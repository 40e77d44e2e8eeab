{#
    Traits as step functions of time. A trait can change at an event, and a fixed time after it,
    when the event begins or ceases to count; both are instants here.
#}
{% set traits = exact_declarations().traits %}
{% set offsets = {} %}
{% for trait in traits %}
{% for offset in trait.offsets %}
{% do offsets.setdefault(offset, []).append(can_change_after(trait, offset)) %}
{% endfor %}
{% endfor %}

with trait_readings as (

    select
        {% for trait in traits if is_of_last_event(trait) %}
        min({{ trait.name }}) over (
            partition by profile_id order by event_number
            rows between 1 following and unbounded following
        ) as _next_{{ trait.name }},
        {% endfor %}
        {% for trait in traits if is_of_first_event(trait) %}
        min({{ trait.name }}) over (
            partition by profile_id order by event_number
            rows between unbounded preceding and 1 preceding
        ) as _former_{{ trait.name }},
        {% endfor %}
        *
    from {{ ref('trait_readings') }}

),

instants as (

    select
        {% for trait in traits %}
        {{ trait.name }},
        {{ '_ends_' ~ trait.name ~ ',' if trait.spec.until }}
        {% endfor %}
        profile_id,
        occurred_at as happened_at,
        event_number
    from trait_readings
    {% for offset, conditions in offsets | dictsort %}
    union all
    select
        {% for trait in traits %}
        null as {{ trait.name }},
        {{ 'null as _ends_' ~ trait.name ~ ',' if trait.spec.until }}
        {% endfor %}
        profile_id,
        {{ add_microseconds('occurred_at', offset) | trim }} as happened_at,
        null as event_number
    from trait_readings
    where {{ conditions | join(' or ') }}
    {% endfor %}

),

{# An event of `until` begins a new period, in which the events before it no longer count. #}
periods as (

    select
        {% for trait in traits if trait.spec.until %}
        count(_ends_{{ trait.name }}) over (
            partition by profile_id order by happened_at
            range between unbounded preceding and current row
        ) as _period_{{ trait.name }},
        {% endfor %}
        *
    from instants

),

steps as (

    select
        {% for trait in traits %}
        {{ trait_at_instant(trait) | trim | indent(8) }} as {{ trait.name }},
        {% endfor %}
        profile_id,
        happened_at,
        lead(happened_at) over (
            partition by profile_id order by happened_at
        ) as _next_instant
    from periods

)

select * exclude (_next_instant) from steps
where _next_instant is null or _next_instant > happened_at
