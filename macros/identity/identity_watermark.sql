{#-
    How far identity has come, as `identity_progress` has it, less the overlap; `none` where all of
    it is to be resolved: for the first time, in a full refresh, after a seed was edited or a table
    dropped. That row is written when all else is done, so the next run makes up for one cut off.
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
