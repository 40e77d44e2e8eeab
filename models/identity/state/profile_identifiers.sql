{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='profile_id',
    )
}}

with

{% if is_incremental() %}
former_holdings as (

    select * from {{ this }}

),
{% endif %}

holdings as (

    {# Identifiers held only for an interval do not identify a profile. #}
    select
        profile_id,
        identifier_id
    from {{ ref('identity_map') }}
    where valid_from is null and valid_to is null

),

changed_profiles as (

    {% if is_incremental() %}
    select holdings.profile_id
    from holdings
    left join former_holdings
        on
            holdings.profile_id = former_holdings.profile_id
            and holdings.identifier_id = former_holdings.identifier_id
    where former_holdings.profile_id is null

    union distinct

    select former_holdings.profile_id
    from former_holdings
    left join holdings
        on
            former_holdings.profile_id = holdings.profile_id
            and former_holdings.identifier_id = holdings.identifier_id
    where holdings.profile_id is null
    {% else %}
    select profile_id from holdings
    {% endif %}

)

{# Retired profiles keep their last rows, which show where they went. #}
select
    profile_id,
    identifier_id
from holdings
where profile_id in (select changed_profiles.profile_id from changed_profiles)
