{{ config(severity='warn') }}

{# An identifier that no event carries may be misspelt; `profile_lists` has nobody for it. #}
select
    lists.list_name,
    lists.id_type,
    count(*) as unknown_people
from {{ ref('lists') }} as lists
inner join {{ ref('identifier_rules') }} as identifier_rules
    on lists.id_type = identifier_rules.id_type
left join {{ ref('identity_map') }} as identity_map
    on
        lists.id_type = identity_map.id_type
        and identity_map.id_value = {{ normalized_identifier(
            'lists.id_value', 'identifier_rules.is_lower_cased', 'identifier_rules.is_gmail_folded'
        ) | indent(8) }}
where identity_map.id_value is null
group by lists.list_name, lists.id_type
