{#
    What wins of the statements about an attribute, by the order of `attribute_precedence`, changes
    only where a statement wins over all before it.
#}
{% set names = [] %}
{% for name in exact_declarations().attributes %}{% do names.append("'" ~ name ~ "'") %}{% endfor %}

with statements as (

    select
        *,
        row_number() over (
            partition by profile_id, attribute
            order by {{ attribute_precedence() | trim | indent(12) }}
        ) as place
    from {{ ref('int_attribute_statements') }}
    where {{ 'attribute in (' ~ names | join(', ') ~ ')' if names else 'false' }}

),

winners as (

    select * from statements
    qualify
        place = min(place) over (
            partition by profile_id, attribute order by occurred_at
            range between unbounded preceding and current row
        )

),

changes as (

    select * from winners
    qualify
        coalesce(
            value <> lag(value) over (partition by profile_id, attribute order by occurred_at),
            true
        )

)

select
    profile_id,
    attribute,
    value,
    event_id,
    occurred_at as happened_at,
    row_number() over (partition by profile_id, attribute order by occurred_at) as step
from changes
