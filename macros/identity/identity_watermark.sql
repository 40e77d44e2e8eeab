{#-
    The progress of identity (`identity_progress`), minus the overlap; `none` if everything must be
    resolved: in the first run, a full refresh, or after a seed was edited or a table dropped. The
    row is written last, so that the next run makes up for an interrupted one.
-#}
{% macro identity_watermark() %}
    {%- set rules_version = identity_rules_version() -%}
    {%- if not execute or should_full_refresh() -%}
        {{ return(none) }}
    {%- endif -%}
    {%- for name in [
        'identifier_sets', 'int_neighbourhoods', 'identity_blocked', 'identity_components',
        'identity_map', 'dim_profiles', 'identity_progress'
    ] -%}
        {%- if not load_relation(relation_of(name)) -%}
            {{ return(none) }}
        {%- endif -%}
    {%- endfor -%}
    {%- set query -%}
        select
            cast(updated_at - interval '{{ var("arrival_overlap_minutes") }} minutes' as varchar)
        from {{ relation_of('identity_progress') }}
        where rules_version = '{{ rules_version }}'
    {%- endset -%}
    {%- set found = run_query(query).rows -%}
    {{ return(found[0][0] if found else none) }}
{% endmacro %}
