{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='from_profile_id',
        post_hook='delete from {{ this }} where to_profile_id is null',
    )
}}

with profile_aliases as (

    {# A run as of the past adds no history. #}
    select * from {{ ref('profile_aliases') }}
    where {{ 'false' if var('as_of') else 'true' }}

),

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

identity_map as (

    select * from {{ ref('identity_map') }}

),

data_clock as (

    select * from {{ ref('data_clock') }}

),

{% if is_incremental() %}
kept_merges as (

    {# It was merged before, and its target still leads to the same profile. #}
    select merges.from_profile_id
    from {{ this }} as merges
    inner join profile_aliases as former
        on merges.from_profile_id = former.profile_id
    inner join profile_aliases as latter
        on merges.to_profile_id = latter.profile_id
    where
        former.profile_id <> former.current_profile_id
        and former.current_profile_id = latter.current_profile_id

),
{% endif %}

merged_profiles as (

    select * from profile_aliases
    where
        profile_id <> current_profile_id
    {% if is_incremental() %}
        and profile_id not in (select kept_merges.from_profile_id from kept_merges)
    {% endif %}

),

holdings as (

    select
        merged_profiles.profile_id,
        merged_profiles.current_profile_id,
        profile_identifiers.identifier_id
    from merged_profiles
    inner join profile_identifiers
        on merged_profiles.profile_id = profile_identifiers.profile_id

),

edges as (

    select * from {{ ref('identity_edges') }}
    where
        (
            left_id in (select holdings.identifier_id from holdings)
            or right_id in (select holdings.identifier_id from holdings)
        )
        and edge_id not in (
            select blocked.blocked_id from {{ ref('identity_blocked') }} as blocked
        )

),

ends as (

    select
        holdings.*,
        edges.right_id as neighbour_id,
        edges.edge_id
    from holdings
    inner join edges
        on holdings.identifier_id = edges.left_id

    union all

    select
        holdings.*,
        edges.left_id as neighbour_id,
        edges.edge_id
    from holdings
    inner join edges
        on holdings.identifier_id = edges.right_id

),

joining as (

    {# The first received edge from its former identifiers to others of the current profile. #}
    select
        ends.profile_id,
        edges.*
    from ends
    inner join edges
        on ends.edge_id = edges.edge_id
    inner join identity_map
        on
            ends.neighbour_id = identity_map.identifier_id
            and ends.current_profile_id = identity_map.profile_id
    left join holdings
        on
            ends.profile_id = holdings.profile_id
            and ends.neighbour_id = holdings.identifier_id
    where holdings.identifier_id is null
    qualify
        row_number() over (
            partition by ends.profile_id order by edges.first_received_at, edges.edge_id
        ) = 1

),

renamed_profiles as (

    {# The current profile is named by an identifier that the former one also held. #}
    select profile_id from holdings
    where md5(identifier_id) = current_profile_id

)

select
    merged_profiles.profile_id as from_profile_id,
    merged_profiles.current_profile_id as to_profile_id,
    data_clock.as_of as merged_at,
    case
        when renamed_profiles.profile_id is not null then 'renamed'
        when joining.profile_id is not null then 'joined'
        else 'shared_device'
    end as reason,
    merged_profiles.identifier_id,
    joining.left_type,
    joining.left_value,
    joining.right_type,
    joining.right_value
from merged_profiles
cross join data_clock
left join renamed_profiles
    on merged_profiles.profile_id = renamed_profiles.profile_id
left join joining
    on
        merged_profiles.profile_id = joining.profile_id
        and renamed_profiles.profile_id is null

{% if is_incremental() %}
union all

{# It is current again, or its identifiers are gone: the post hook deletes the row. #}
select
    merges.from_profile_id,
    null as to_profile_id,
    merges.merged_at,
    merges.reason,
    merges.identifier_id,
    merges.left_type,
    merges.left_value,
    merges.right_type,
    merges.right_value
from {{ this }} as merges
inner join profile_aliases
    on merges.from_profile_id = profile_aliases.profile_id
where
    profile_aliases.current_profile_id is null
    or profile_aliases.current_profile_id = profile_aliases.profile_id
{% endif %}
