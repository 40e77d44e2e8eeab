with identifiers as (

    select * from {{ ref('int_reached_identifier_guards') }}

),

exclusions as (

    select * from {{ ref('int_exclusions') }}

),

accounts as (

    select * from {{ ref('identifier_sets') }}
    where id_type = 'user_id'

),

{# Only events on a shared device are read, found by its values. #}
devices as (

    select
        events.event_id,
        events.identifier_id,
        events.occurred_at,
        {{ identifier_set_id('events') | indent(8) }} as set_id
    from {{ ref('event_identifiers') }} as events
    where
        events.is_evidence
        and events.id_type = 'anonymous_id'
        and events.id_value in (
            select identifiers.id_value from identifiers
            where identifiers.rule = 'shared_device'
        )

),

sign_ins as (

    select
        devices.identifier_id,
        accounts.identifier_id as account_id,
        devices.event_id,
        devices.occurred_at
    from devices
    inner join accounts
        on devices.set_id = accounts.set_id
    inner join identifiers as usable_accounts
        on
            accounts.identifier_id = usable_accounts.identifier_id
            and usable_accounts.rule is null
    left join exclusions
        on
            devices.identifier_id = exclusions.left_id
            and accounts.identifier_id = exclusions.right_id
    where exclusions.edge_id is null

),

claims as (

    {# Before the first sign-in, the device belongs to the first account. #}
    select
        identifier_id,
        account_id,
        cast(null as {{ dbt.type_timestamp() }}) as valid_from
    from sign_ins
    qualify
        row_number() over (partition by identifier_id order by occurred_at, event_id) = 1

    union all

    {# If several sign-ins have the same timestamp, the last by event id counts. #}
    select
        identifier_id,
        account_id,
        occurred_at as valid_from
    from sign_ins
    qualify
        row_number() over (
            partition by identifier_id, occurred_at order by event_id desc
        ) = 1

),

changes as (

    select * from claims
    qualify
        lag(account_id) over (partition by identifier_id order by valid_from nulls first)
        is distinct from account_id

)

select
    identifier_id,
    account_id,
    valid_from,
    lead(valid_from) over (partition by identifier_id order by valid_from nulls first) as valid_to
from changes
