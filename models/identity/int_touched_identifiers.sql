{% set watermark = identity_watermark() %}

{# Whatever became of the row: a repeat or a quarantined one may have been evidence before. #}
select
    identifier_id,
    id_value,
    count_if(not is_evidence) > 0 as may_have_lost,
    max(updated_at) as updated_at
from {{ ref('event_identifiers') }}
{% if watermark %}
where updated_at > timestamp '{{ watermark }}'
{% endif %}
group by identifier_id, id_value
