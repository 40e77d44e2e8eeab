{#
    Last of all. A run that leaves out one of the steps has not come as far as its arrivals: the
    next begins where the last whole one stood.
#}
{% set steps = [
    'model.tideline.identifier_sets', 'model.tideline.int_touched_identifiers',
    'model.tideline.int_neighbourhoods', 'model.tideline.int_reached_identifiers',
    'model.tideline.identity_blocked', 'model.tideline.identity_components',
    'model.tideline.identity_map', 'model.tideline.dim_profiles',
] %}
{% set left_out = steps | reject('in', selected_resources) | list %}
{% set watermark = identity_watermark() %}

-- depends_on: {{ ref('identity_blocked') }}, {{ ref('dim_profiles') }}
with progress as (

    select
        updated_at,
        matched_at
    from {{ ref('int_touched_identifiers') }}
    where {{ 'false' if left_out else 'true' }}

    {% if watermark %}
    union all

    select
        updated_at,
        matched_at
    from {{ this }}
    {% endif %}

)

select
    max(updated_at) as updated_at,
    max(matched_at) as matched_at,
    '{{ identity_rules_version() }}' as rules_version
from progress
