{% set limits = checked_var('quality_alerts') %}

with recent as (

    select
        cast(as_of as date) as today,
        cast(as_of as date) - {{ limits.days }} as first_day
    from {{ ref('data_clock') }}

),

event_quality as (

    select
        event_quality.*,
        recent.today
    from {{ ref('event_quality') }} as event_quality
    inner join recent
        on event_quality.day between recent.first_day and recent.today

),

property_quality as (

    select property_quality.*
    from {{ ref('property_quality') }} as property_quality
    inner join recent
        on property_quality.day between recent.first_day and recent.today

)

select
    day,
    'quarantined share rose' as alert,
    source,
    event_name,
    cast(null as varchar) as property,
    volume,
    quarantined_share as value,
    coalesce(usual_quarantined_share, 0) as usual_value
from event_quality
where
    volume >= {{ limits.least_volume }}
    and quarantined_share - coalesce(usual_quarantined_share, 0)
    > {{ limits.quarantined_share_rise }}

union all

{# The volume of a day that has not ended is not compared. #}
select
    day,
    'volume fell' as alert,
    source,
    event_name,
    null as property,
    volume,
    volume as value,
    usual_volume as usual_value
from event_quality
where
    day < today
    and usual_volume >= {{ limits.least_volume }}
    and volume < low_volume * (1 - {{ limits.volume_fall }})

union all

select
    day,
    'fill rate fell' as alert,
    source,
    event_name,
    property,
    volume,
    fill_rate as value,
    usual_fill_rate as usual_value
from property_quality
where
    volume >= {{ limits.least_volume }}
    and fill_rate < usual_fill_rate - {{ limits.fill_rate_fall }}
