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
