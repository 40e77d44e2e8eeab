{#
    Last of all. A run that leaves out one of the steps has not come as far as its arrivals: the next
    begins where the last whole one stood.
#}
{% set steps = [
    'int_touched_identifiers', 'int_neighbourhoods', 'int_reached_identifiers', 'identity_blocked',
    'identity_components', 'identity_map', 'dim_profiles',
] %}
{% set left_out = [] %}
{% for step in steps if 'model.tideline.' ~ step not in selected_resources %}
    {% do left_out.append(step) %}
{% endfor %}
{% set watermark = identity_watermark() %}

-- depends_on: {{ ref('identity_blocked') }}, {{ ref('dim_profiles') }}
with progress as (

    select updated_at from {{ ref('int_touched_identifiers') }}
    where {{ 'false' if left_out else 'true' }}

    {% if watermark %}
    union all

    select updated_at from {{ this }}
    {% endif %}

)

select
    max(updated_at) as updated_at,
    '{{ identity_rules_version() }}' as rules_version
from progress
