{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='profile_id',
    )
}}

with

{% if is_incremental() %}
known as (

    select * from {{ this }}

),
{% endif %}

held as (

    {# What somebody holds for a time only says nothing of who they are. #}
    select
        profile_id,
        identifier_id
    from {{ ref('identity_map') }}
    where valid_from is null and valid_to is null

),

changed as (

    {% if is_incremental() %}
    select held.profile_id
    from held
    left join known
        on
            held.profile_id = known.profile_id
            and held.identifier_id = known.identifier_id
    where known.profile_id is null

    union distinct

    select known.profile_id
    from known
    left join held
        on
            known.profile_id = held.profile_id
            and known.identifier_id = held.identifier_id
    where held.profile_id is null
    {% else %}
    select profile_id from held
    {% endif %}

)

{# Of a profile that is no more nothing is rewritten: what it held last says where it went. #}
select
    profile_id,
    identifier_id
from held
where profile_id in (select changed.profile_id from changed)
