{#
    The default is the instant just after the latest arrival, so that all that has landed is before
    it; while nothing valid has arrived, the load itself; while nothing has landed, the epoch.
#}
select
    {% if var('as_of') %}
    coalesce(max(cast('{{ var("as_of") }}' as {{ type_timestamp() }})), timestamp '1970-01-01 00:00:00')
    {% else %}
    coalesce(
        max(case when status = 'valid' then received_at end) + interval '1 microsecond',
        max(landed_at),
        timestamp '1970-01-01 00:00:00'
    )
    {% endif %} as as_of
from {{ ref('landed_events') }}
