{#
    The default is the instant just after the latest arrival, so that all that has landed is before
    it; while nothing valid has arrived, the load itself.
#}
select
    {% if var('as_of') %}
    max(cast('{{ var("as_of") }}' as {{ type_timestamp() }})) as as_of
    {% else %}
    coalesce(
        max(case when status = 'valid' then received_at end) + interval '1 microsecond',
        max(landed_at)
    ) as as_of
    {% endif %}
from {{ ref('landed_events') }}
having count(*) > 0
