{# Two accounts in one profile would be two people treated as one. #}
select
    identity_map.profile_id,
    identity_map.id_type,
    count(distinct identity_map.id_value) as account_count
from {{ ref('identity_map') }} as identity_map
inner join {{ ref('identifier_rules') }} as identifier_rules
    on identity_map.id_type = identifier_rules.id_type
where identifier_rules.is_unique_per_profile
group by identity_map.profile_id, identity_map.id_type
having count(distinct identity_map.id_value) > 1
