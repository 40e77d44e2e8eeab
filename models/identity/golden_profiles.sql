{# The seed cannot be read while dbt parses. #}
{% set names = seed_rows(ref('attribute_rules'), ['attribute']) | map('first') | unique | list %}

with dim_profiles as (

    select * from {{ ref('dim_profiles') }}

),

values_by_name as (

    select
        {% for name in names or ['email'] %}
        max(case when attribute = '{{ name }}' then value end) as {{ name }},
        {% endfor %}
        profile_id
    from {{ ref('profile_attribute_values') }}
    group by profile_id

)

select
    dim_profiles.profile_id,
    values_by_name.* exclude (profile_id)
from dim_profiles
left join values_by_name
    on dim_profiles.profile_id = values_by_name.profile_id
