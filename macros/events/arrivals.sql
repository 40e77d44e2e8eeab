{#-
    Whether a landed row is new to this incremental model, as SQL. Each source has its own
    watermark, since the load times of a loader may be behind those of the landing. Watermarks are
    looked up at compile time, since literals let the warehouse skip earlier rows. Rows of a loader
    without a load time are at the epoch, behind every watermark: they are new if they are not yet
    in this model.
-#}
{% macro newly_landed() %}
    {%- if not execute -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set query -%}
        select
            source,
            max(landed_at) - interval '{{ var("arrival_overlap_minutes") }} minutes' as watermark
        from {{ this }}
        group by source
        order by source
    {%- endset -%}
    {%- set watermarks = run_query(query).rows -%}
    {%- set conditions = [] -%}
    {%- for source, watermark in watermarks -%}
        {%- do conditions.append(
            "when '" ~ source ~ "' then landed_at > timestamp '" ~ watermark ~ "'"
        ) -%}
    {%- endfor -%}
    {%- if not conditions -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set epoch = "timestamp '1970-01-01 00:00:00'" -%}
    {%- set place = "landed_file, landed_line, landed_part, coalesce(event_id, '')" -%}
    {%- set condition -%}
        (landed_at = {{ epoch }} or case source {{ conditions | join(' ') }} else true end)
        and (
            landed_at > {{ epoch }}
            or ({{ place }}) not in (
                select {{ place }} from {{ this }} where landed_at = {{ epoch }}
            )
        )
    {%- endset -%}
    {{ return(condition) }}
{% endmacro %}

{#-
    The instant up to which this incremental model has read its arrivals, minus the overlap. It is
    looked up at compile time, since a literal lets the warehouse skip earlier rows.
-#}
{% macro arrival_watermark(column) -%}
    {%- set query -%}
        select
            coalesce(max({{ column }}), timestamp '1970-01-01 00:00:00')
            - interval '{{ var("arrival_overlap_minutes") }} minutes' as watermark
        from {{ this }}
    {%- endset -%}
    {%- set watermark = run_query(query).rows[0][0] if execute else '1970-01-01 00:00:00' -%}
    timestamp '{{ watermark }}'
{%- endmacro %}

{#-
    Whether a time is between the first and last instant of the spans of a query. They are looked up
    at compile time, since literals let the warehouse skip other rows.
-#}
{% macro within(column, query, from_at, until_at) -%}
    {%- set span -%}
        select
            min({{ from_at }}) as first_at,
            max({{ until_at }}) as last_at
        from ({{ query }}) as spans
        having count({{ from_at }}) > 0
    {%- endset -%}
    {%- set spans = run_query(span).rows if execute else [] -%}
    {%- if spans | length -%}
        {{ column }} >= timestamp '{{ spans[0][0] }}'
        and {{ column }} <= timestamp '{{ spans[0][1] }}'
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}
