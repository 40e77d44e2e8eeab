{#
    The default is the instant just after the latest arrival, so that everything landed is before
    it; the load itself while nothing valid has arrived; the epoch while nothing has landed. A
    duplicate counts as an arrival, and forgetting a person does not change the clock (`ask` in
    tideline/privacy/forget.py records it by the same formula). So the clock goes back only if a
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
