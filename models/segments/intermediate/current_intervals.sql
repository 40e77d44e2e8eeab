{{ config(materialized='view') }}

{# What a build sees is the state just before its data clock. #}
select
    segment_intervals.profile_id,
    segment_intervals.segment_name,
    segment_intervals.valid_from,
    segment_intervals.valid_to,
    segment_intervals.entered_event_id
from {{ ref('segment_intervals') }} as segment_intervals
inner join {{ ref('data_clock') }} as data_clock
    on
        segment_intervals.valid_from < data_clock.as_of
        and (
            segment_intervals.valid_to is null
            or segment_intervals.valid_to >= data_clock.as_of
        )
