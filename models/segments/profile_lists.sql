{# A profile is on a list from its first event on: before it, there is nobody. #}
with lists as (

    select
        lists.list_name,
        identifier_rules.id_type,
        {{ normalized_identifier(
            'lists.id_value', 'identifier_rules.is_lower_cased', 'identifier_rules.is_gmail_folded'
        ) | indent(8) }} as id_value,
        {{ try_timestamp('trim(lists.listed_from)') | trim | indent(8) }} as listed_from,
        {{ try_timestamp('trim(lists.listed_until)') | trim | indent(8) }} as listed_until
    from {{ ref('lists') }} as lists
    inner join {{ ref('identifier_rules') }} as identifier_rules
        on lists.id_type = identifier_rules.id_type

),

{# Whoever holds a shared device is on its lists for as long as that. #}
entries as (

    select
        identity_map.profile_id,
        lists.list_name,
        greatest(
            dim_profiles.first_seen_at,
            coalesce(lists.listed_from, dim_profiles.first_seen_at),
            coalesce(identity_map.valid_from, dim_profiles.first_seen_at)
        ) as listed_from,
        coalesce(
            least(lists.listed_until, identity_map.valid_to),
            lists.listed_until,
            identity_map.valid_to
        ) as listed_until
    from lists
    inner join {{ ref('identity_map') }} as identity_map
        on
            lists.id_type = identity_map.id_type
            and lists.id_value = identity_map.id_value
    inner join {{ ref('dim_profiles') }} as dim_profiles
        on identity_map.profile_id = dim_profiles.profile_id

)

select distinct
    profile_id,
    list_name,
    listed_from,
    listed_until
from entries
where listed_until is null or listed_until > listed_from
