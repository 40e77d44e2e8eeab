{#- Last of all: only what is in each of these tables has been resolved. -#}
-- depends_on: {{ ref('identity_blocked') }}
-- depends_on: {{ ref('dim_profiles') }}

{% set watermark = identity_watermark() %}

with touched as (

    select updated_at from {{ ref('int_touched_identifiers') }}

    {% if watermark %}
    union all

    select updated_at from {{ this }}
    {% endif %}

)

select
    max(updated_at) as updated_at,
    '{{ identity_rules_version() }}' as rules_version
from touched
