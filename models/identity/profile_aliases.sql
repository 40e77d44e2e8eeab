with profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

identifier_rules as (

    select * from {{ ref('identifier_rules') }}

),

owners as (

    {# The first holder of a shared device represents it. #}
    select * from {{ ref('identity_map') }}
    where valid_from is null

)

{#
    The identifier that named the profile decides; if it is gone, the first received of the others.
#}
select
    profile_identifiers.profile_id,
    owners.profile_id as current_profile_id,
    owners.identifier_id
from profile_identifiers
left join owners
    on profile_identifiers.identifier_id = owners.identifier_id
left join identifier_rules
    on owners.id_type = identifier_rules.id_type
qualify
    row_number() over (
        partition by profile_identifiers.profile_id
        order by
            owners.profile_id is null,
            md5(profile_identifiers.identifier_id) <> profile_identifiers.profile_id,
            owners.first_received_at,
            identifier_rules.priority,
            owners.id_value,
            profile_identifiers.identifier_id
    ) = 1
