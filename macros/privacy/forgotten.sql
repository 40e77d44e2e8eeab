{#-
    The rows of a relation of the universal event schema, times clamped. Rows of a forgotten person
    that were received before the request keep only their landed place. A row of a shared device
    that carries another account, or no time, is not theirs. A row is emptied as a whole: if one of
    its events is forgotten, one part is left, as when the emptied row is read again. Nothing is
    looked up while nobody has been forgotten.
-#}
{% macro unless_forgotten(arrivals) %}
{%- set kept = ['source', 'landed_file', 'landed_line', 'landed_part', 'landed_at', 'problem'] -%}
{%- set said = universal_columns() | reject('in', kept) | list -%}
{%- set forgotten = ref('forgotten_identifiers') -%}
{%- set spans = ref('forgotten_spans') -%}
{%- set rules = seed_rows(
    ref('identifier_rules'), ['id_type', 'is_lower_cased', 'is_gmail_folded']
) -%}
{%- if not forgotten.schema or not load_relation(forgotten) or not has_rows(forgotten, 'true') -%}
    {{ return('select * from ' ~ arrivals) }}
{%- endif -%}
select
    * exclude ({{ said | join(', ') }}, is_time_clamped, problem, is_forgotten),
    {%- for column in said %}
    case when not is_forgotten then {{ column }} end as {{ column }},
    {%- endfor %}
    is_time_clamped and not is_forgotten as is_time_clamped,
    case when is_forgotten then 'forgotten' else problem end as problem
from (
    select
        arrived.*,
        max(case
            when arrived.problem = 'forgotten' then 1
            {%- for id_type, _, _ in rules %}
            when {{ id_type }}_spans.identifier_hash is not null then 1
            {%- endfor %}
            else 0
        {#- The first two are redundant, but allow a filter on them to be pushed down. #}
        end) over (
            partition by
                arrived.source, arrived.landed_at, arrived.landed_file, arrived.landed_line
        ) = 1 as is_forgotten
    from {{ arrivals }} as arrived
    {%- for id_type, is_lower_cased, is_gmail_folded in rules %}
    {%- set value = 'arrived.' ~ id_type if id_type in ['user_id', 'anonymous_id']
        else json_text('arrived.identifiers', id_type) %}
    {%- set value = normalized_identifier(value, is_lower_cased, is_gmail_folded) %}
    left join {{ spans }} as {{ id_type }}_spans
        on
            {{ sha256("'" ~ id_type ~ ":' || " ~ value) }} = {{ id_type }}_spans.identifier_hash
            {#-
                A row without a time meets one span too; all spans of an identifier are shared, or
                none.
            #}
            and coalesce(
                arrived.occurred_at, timestamp '1970-01-01 00:00:00'
            ) >= {{ id_type }}_spans.span_from
            and coalesce(
                arrived.occurred_at, timestamp '1970-01-01 00:00:00'
            ) < {{ id_type }}_spans.span_to
            and coalesce(
                arrived.received_at, {{ id_type }}_spans.requested_at
            ) <= {{ id_type }}_spans.requested_at
            and (
                not {{ id_type }}_spans.is_shared
                or (arrived.user_id is null and arrived.occurred_at is not null)
            )
    {%- endfor %}
) as marked_rows
where not is_forgotten or landed_part = 1
{%- endmacro %}

{#-
    Removes the content of forgotten rows from the archive: every column marked `personal`. A row of
    a forgotten person may land again, and the archive keeps every landed row.
-#}
{% macro empty_forgotten(archive) %}
{%- if execute and has_rows(this, "reason = 'forgotten'") -%}
update {{ archive }} set
    {%- for column in personal_columns('raw_messages') %}
    {{ column }} = null,
    {%- endfor %}
    problem = 'forgotten'
where
    problem is distinct from 'forgotten'
    and (landed_file, landed_line) in (
        select
            landed_file,
            landed_line
        from {{ this }}
        where reason = 'forgotten'
    )
{%- endif -%}
{% endmacro %}

{#- The columns of a model that its documentation marks `personal`; empty while dbt only parses. -#}
{% macro personal_columns(model_name) %}
    {%- set names = [] -%}
    {%- if execute -%}
        {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] -%}
        {%- for column in node.columns.values() if 'personal' in column.config.meta -%}
            {%- do names.append(column.name) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(names) }}
{% endmacro %}
