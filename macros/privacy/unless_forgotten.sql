{#-
    The rows of a relation of the universal event schema; those of somebody who was forgotten, if
    received before the request, keep only the place they landed in. A row of a shared device that
    carries another account is not theirs. While nobody was ever forgotten nothing is looked up.
-#}
{% macro unless_forgotten(arrivals) %}
{%- set said = [
    'event_id', 'event_name', 'anonymous_id', 'user_id', 'occurred_at', 'received_at', 'platform',
    'context', 'properties', 'identifiers', 'original',
] -%}
{%- set forgotten = ref('forgotten_identifiers') -%}
{%- set spans = ref('forgotten_spans') -%}
{%- set rules = seed_rows(ref('identifier_rules'), ['id_type', 'is_lower_cased']) -%}
{%- if not forgotten.schema or not load_relation(forgotten) or not has_rows(forgotten, 'true') -%}
    {{ return('select * from ' ~ arrivals) }}
{%- endif -%}
select
    * exclude ({{ said | join(', ') }}, problem, is_forgotten),
    {%- for column in said %}
    case when not is_forgotten then {{ column }} end as {{ column }},
    {%- endfor %}
    case when is_forgotten then 'forgotten' else problem end as problem
from (
    select
        arrived.*,
        coalesce(arrived.problem = 'forgotten', false)
        {%- for id_type, _ in rules %}
        or {{ id_type }}_spans.identifier_hash is not null
        {%- endfor %} as is_forgotten
    from {{ arrivals }} as arrived
    {%- for id_type, is_lower_cased in rules %}
    {%- set value = 'arrived.' ~ id_type if id_type in ['user_id', 'anonymous_id']
        else json_text('arrived.identifiers', id_type) %}
    {%- set value = 'trim(' ~ value ~ ')' %}
    {%- set value = 'lower(' ~ value ~ ')' if is_lower_cased else value %}
    left join {{ spans }} as {{ id_type }}_spans
        on
            {{ sha256("'" ~ id_type ~ ":' || " ~ value) }} = {{ id_type }}_spans.identifier_hash
            {#- A time that cannot be read tells nothing; such a row is no event in any case. #}
            and coalesce(
                arrived.occurred_at, timestamp '1970-01-01 00:00:00'
            ) >= {{ id_type }}_spans.span_from
            and coalesce(
                arrived.occurred_at, timestamp '1970-01-01 00:00:00'
            ) < {{ id_type }}_spans.span_to
            and coalesce(
                arrived.received_at, {{ id_type }}_spans.requested_at
            ) <= {{ id_type }}_spans.requested_at
            and (arrived.user_id is null or not {{ id_type }}_spans.is_shared)
    {%- endfor %}
) as told
{%- endmacro %}
