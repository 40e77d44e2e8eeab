{{ config(enabled=not var('as_of')) }}

{#
    Of the profile ids ever issued, each that is today's has no merge, each that leads to another
    has one, and following that ends at the same profile. A look into the past writes no merges.
#}
with profile_aliases as (

    select * from {{ ref('profile_aliases') }}

),

merges as (

    select
        merges.from_profile_id,
        count(*) as merge_count,
        min(latter.current_profile_id) as leads_to
    from {{ ref('identity_merges') }} as merges
    left join profile_aliases as latter
        on merges.to_profile_id = latter.profile_id
    group by merges.from_profile_id

)

select
    profile_aliases.profile_id,
    profile_aliases.current_profile_id,
    merges.merge_count,
    merges.leads_to
from profile_aliases
full outer join merges
    on profile_aliases.profile_id = merges.from_profile_id
where
    coalesce(merges.merge_count, 0) <> case
        when profile_aliases.profile_id <> profile_aliases.current_profile_id then 1 else 0
    end
    or merges.leads_to <> profile_aliases.current_profile_id
