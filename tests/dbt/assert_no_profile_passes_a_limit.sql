{# No profile holds more identifiers, per type or in total, than `identifier_limits` allows. #}
with holdings as (

    select
        components.component,
        identifiers.id_type
    from {{ ref('identity_components') }} as components
    inner join {{ ref('identifiers') }} as identifiers
        on components.node = identifiers.identifier_id

    union all

    select
        component,
        '*' as id_type
    from {{ ref('identity_components') }}

)

select
    holdings.component,
    holdings.id_type,
    count(*) as identifier_count
from holdings
inner join {{ ref('identifier_limits') }} as identifier_limits
    on holdings.id_type = identifier_limits.id_type
group by holdings.component, holdings.id_type, identifier_limits.max_per_profile
having count(*) > identifier_limits.max_per_profile
