{# The traits are declared in the subfolders of this folder; here they become one scan. #}
{% set frequent, streaks = traits_of('most_frequent'), traits_of('streak') %}

with trait_readings as (

    select
        readings.*,
        data_clock.as_of
    from {{ ref('trait_readings') }} as readings
    cross join {{ ref('data_clock') }} as data_clock

),

aggregates as (

    select
        {% for trait in read_traits() if trait not in frequent + streaks %}
        {{ trait_expression(trait) | trim | indent(8) }} as {{ trait.name }},
        {% endfor %}
        profile_id
    from trait_readings
    group by profile_id

),

{# How often each value has occurred. A tie goes to the last one. #}
{% for trait in frequent %}
{{ trait.name }}_values as (

    select
        profile_id,
        {{ counted_value(trait) }} as counted,
        count(*) as event_count,
        max(event_number) as last_number
    from trait_readings
    where {{ counted_value(trait) }} is not null
    group by profile_id, {{ counted_value(trait) }}

),

{{ trait.name }}_most_frequent as (

    select
        profile_id,
        max_by(counted, event_count * 1000000000 + last_number) as {{ trait.name }}
    from {{ trait.name }}_values
    group by profile_id

),
{% endfor %}

{#
    The days without an event since a day, until the data clock, are the same for an unbroken row of
    days: 0 if it ends today, 1 if yesterday.
#}
{% for trait in streaks %}
{{ trait.name }}_days as (

    select distinct
        profile_id,
        cast(occurred_at as date) as active_on,
        datediff('day', occurred_at, as_of) as days_ago
    from trait_readings
    where {{ counted_value(trait) }} is not null

),

{{ trait.name }}_gaps as (

    select
        profile_id,
        days_ago + 1
        - row_number() over (partition by profile_id order by active_on desc) as days_without
    from {{ trait.name }}_days

),

{{ trait.name }}_streaks as (

    select
        profile_id,
        days_without,
        count(*) as {{ trait.name }}
    from {{ trait.name }}_gaps
    where days_without in (0, 1)
    group by profile_id, days_without
    qualify row_number() over (partition by profile_id order by days_without) = 1

),
{% endfor %}

counted_traits as (

    select
        {% for trait in frequent %}
        {{ trait.name }}_most_frequent.{{ trait.name }},
        {% endfor %}
        {% for trait in streaks %}
        coalesce({{ trait.name }}_streaks.{{ trait.name }}, 0) as {{ trait.name }},
        {% endfor %}
        aggregates.*
    from aggregates
    {% for trait in frequent %}
    left join {{ trait.name }}_most_frequent
        on aggregates.profile_id = {{ trait.name }}_most_frequent.profile_id
    {% endfor %}
    {% for trait in streaks %}
    left join {{ trait.name }}_streaks
        on aggregates.profile_id = {{ trait.name }}_streaks.profile_id
    {% endfor %}

)

select
    {{ formula_columns() | indent(4) }}
    *
from counted_traits
