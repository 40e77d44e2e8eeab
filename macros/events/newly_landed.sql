{#-
    Whether a landed row is new to this incremental model, as SQL. Each source has a watermark of
    its own: the load instants of a loader may lie behind those of the landing. They are looked up
    when the model is compiled: literals let the warehouse skip what lies before them.
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
    {{ return(
        'case source ' ~ conditions | join(' ') ~ ' else true end' if conditions else 'true'
    ) }}
{% endmacro %}
