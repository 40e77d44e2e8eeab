{{ config(enabled=not var('as_of')) }}

{#
    Each published profile id that leads to another has a merge, and following it ends at the same
    profile; the others have none. A run as of the past writes no merges.
#}
with aliases as (

    select * from {{ ref('profile_aliases') }}

),

merged_ids as (

    select
        identity_merges.from_profile_id,
        aliases.current_profile_id as leads_to
    from {{ ref('identity_merges') }} as identity_merges
    left join aliases
        on identity_merges.to_profile_id = aliases.profile_id

)

select
    coalesce(aliases.profile_id, merged_ids.from_profile_id) as profile_id,
    aliases.current_profile_id,
    merged_ids.leads_to
from aliases
full outer join merged_ids
    on aliases.profile_id = merged_ids.from_profile_id
where
    merged_ids.leads_to is distinct from case
        when aliases.current_profile_id <> aliases.profile_id then aliases.current_profile_id
    end
