{#
    The default is the instant just after the latest arrival, so that all that has landed is before
    it; while nothing valid has arrived, the load itself; while nothing has landed, the epoch. A
    duplicate counts as an arrival, and whoever is forgotten leaves the clock where it was (`ask` in
    tideline/privacy/forget.py notes it by the same formula). So it goes back only where a
    landing is replaced or taken back.
#}
select
    {% if var('as_of') %}
    coalesce({{ try_timestamp("'" ~ var('as_of') ~ "'") }}, max(landed_at))
    {% else %}
    greatest(
        coalesce(
            max(case when status <> 'quarantined' then received_at end) + interval '1 microsecond',
            max(landed_at),
            timestamp '1970-01-01 00:00:00'
        ),
        coalesce(
            (select max(as_of) from {{ ref('forget_requests') }}),
            timestamp '1970-01-01 00:00:00'
        )
    )
    {% endif %} as as_of
from {{ ref('int_events_deduplicated') }}
