{#
    Which profiles identity has resolved again, numbered by run, so that a later model can recompute
    only these since its own last run.
#}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='profile_id',
        post_hook="
            delete from {{ this }}
            where profile_id not in (select profile_id from {{ ref('identity_map') }})
        ",
    )
}}

-- depends_on: {{ ref('int_reached_identifiers') }}
select distinct
    profile_id,
    cast({{ next_revision() }} as bigint) as revision
from {{ ref('identity_map') }}
{% if is_incremental() %}
where identifier_id in (
    select reached.identifier_id from {{ ref('int_reached_identifiers') }} as reached
)
{% endif %}
