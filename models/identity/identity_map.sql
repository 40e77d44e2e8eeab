{{
    config(
        materialized='incremental',
        incremental_strategy='reached',
        unique_key='identifier_id',
    )
}}

{% do assert_all_is_reached() %}

with identifiers as (

    select * from {{ ref('int_reached_identifier_guards') }}

),

components as (

    select * from {{ ref('identity_components') }}

),

device_intervals as (

    select * from {{ ref('int_reached_device_intervals') }}

),

profiles as (

    {# The identifier received first names the profile, so the id survives rebuilds and merges. #}
    select
        components.node as identifier_id,
        md5(first_value(identifiers.identifier_id) over (
            partition by components.component
            order by identifiers.first_received_at, identifiers.priority, identifiers.id_value
            rows between unbounded preceding and current row
        )) as profile_id
    from components
    inner join identifiers
        on components.node = identifiers.identifier_id

),

owners as (

    select
        identifier_id,
        profile_id,
        cast(null as {{ dbt.type_timestamp() }}) as valid_from,
        cast(null as {{ dbt.type_timestamp() }}) as valid_to
    from profiles

    union all

    select
        device_intervals.identifier_id,
        profiles.profile_id,
        device_intervals.valid_from,
        device_intervals.valid_to
    from device_intervals
    inner join profiles
        on device_intervals.account_id = profiles.identifier_id

)

select
    identifiers.identifier_id,
    identifiers.id_type,
    identifiers.id_value,
    owners.profile_id,
    owners.valid_from,
    owners.valid_to,
    identifiers.first_received_at
from owners
inner join identifiers
    on owners.identifier_id = identifiers.identifier_id
