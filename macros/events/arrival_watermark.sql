{#- The instant up to which this incremental model has taken in its arrivals, less the overlap. -#}
{% macro arrival_watermark(column) -%}
(
    select
        coalesce(max({{ column }}), timestamp '1970-01-01 00:00:00')
        - interval '{{ var("arrival_overlap_minutes") }} minutes'
    from {{ this }}
)
{%- endmacro %}
