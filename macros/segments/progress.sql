{#-
    The revision of profiles (`profile_revisions`) up to which readings and intervals are complete;
    `none` if all must be computed: in the first run, or after an edit of a declaration, the plan or
    the code. `segment_progress` is written last, so that the next run makes up for an interrupted
    one.
-#}
{% macro revision_watermark() %}
    {%- if not execute -%}
        {{ return(none) }}
    {%- endif -%}
    {#- Not `attribute_steps`: it may be missing for a moment while the readings are written. -#}
    {%- for name in [
        'profile_revisions', 'trait_readings', 'segment_intervals', 'segment_progress'
    ] -%}
        {%- if not load_relation(relation_of(name)) -%}
            {{ return(none) }}
        {%- endif -%}
    {%- endfor -%}
    {%- set query -%}
        select revision from {{ relation_of('segment_progress') }}
        where
            version = '{{ readings_version() }}'
            and revision <= {{ revision_in('profile_revisions') }}
    {%- endset -%}
    {%- set found = run_query(query).rows -%}
    {{ return(found[0][0] if found else none) }}
{% endmacro %}

{#- Hash of all that decides what traits read from events and when rules hold. -#}
{% macro readings_version() %}
    {{ return(declarations().readings_version(
        var('shop'),
        target.type,
        [
            trait_plan(),
            lists_version(),
            attributes_version(),
            event_fields(),
            var('as_of'),
        ],
    )) }}
{% endmacro %}

{#- The rows of the tracking plan that traits read: event, property and type. -#}
{% macro trait_plan() %}
    {{ return(seed_rows(ref('tracking_plan'), ['event_name', 'property', 'property_type'])) }}
{% endmacro %}

{#- Hash of the lists of people. -#}
{% macro lists_version() %}
    {{ return(seeds_version({
        ref('lists'): ['list_name', 'id_type', 'id_value', 'listed_from', 'listed_until'],
    })) }}
{% endmacro %}

{#- Hash of the seeds that decide what events state about attributes of golden profiles. -#}
{% macro attributes_version() %}
    {{ return(seeds_version({
        ref('attribute_rules'): [
            'attribute', 'source', 'event_name', 'path', 'priority', 'survivor'
        ],
        ref('identifier_rules'): ['id_type', 'is_lower_cased', 'is_gmail_folded'],
        ref('identifier_blocklist'): ['id_type', 'part', 'value'],
    })) }}
{% endmacro %}

{#- The latest revision in a table with `revision`; 0 if there is none. -#}
{% macro revision_in(name) %}
    {%- if not execute or not load_relation(relation_of(name)) -%}
        {{ return(0) }}
    {%- endif -%}
    {{ return(run_query('select max(revision) from ' ~ relation_of(name)).rows[0][0] or 0) }}
{% endmacro %}

{#- Whether a model with the strategy `revised` keeps the rows of profiles without a revision. -#}
{% macro revisions_are_kept() %}
    {{ return(execute and not should_full_refresh()) }}
{% endmacro %}

{#-
    Before a model is written anew, also by a run of it alone: what it held is no longer what
    `segment_progress` says, until a run has written all steps.
#}
{% macro without_progress() %}
    {%- set progress = relation_of('segment_progress') -%}
    {%- if execute and not revisions_are_kept() and load_relation(progress) -%}
        delete from {{ progress }}
    {%- endif -%}
{% endmacro %}

{#- The profiles that must be computed again, as a select, if others are kept. -#}
{% macro revised_profiles() %}
    select revisions.profile_id from {{ relation_of('profile_revisions') }} as revisions
    where revisions.revision > {{ revision_watermark() }}
{% endmacro %}

{#
    The incremental strategy `revised`: replaces the rows of the profiles that identity has resolved
    again since `segment_progress`, also if they have no new rows or have ended.
#}
{% macro get_incremental_revised_sql(arguments) %}
    {%- set target, columns = arguments.target_relation, get_quoted_csv(
        arguments.dest_columns | map(attribute='name')
    ) -%}
    {%- set statements -%}
        delete from {{ target }}
        where
            profile_id in ({{ revised_profiles() }})
            or profile_id not in (
                select known.profile_id from {{ relation_of('profile_revisions') }} as known
            );

        insert into {{ target }} ({{ columns }})
        select {{ columns }} from {{ arguments.temp_relation }}
    {%- endset -%}
    {{ return(in_transaction(statements)) }}
{% endmacro %}

{#
    Overrides dbt's own: a model with the strategy `revised` is written anew if nothing of it may
    stay.
#}
{% macro should_full_refresh() %}
    {%- set configured = config.get('full_refresh') -%}
    {%- set is_asked = flags.FULL_REFRESH if configured is none else configured -%}
    {%- set is_revised = config.get('incremental_strategy') == 'revised' -%}
    {{ return(is_asked or (is_revised and revision_watermark() is none)) }}
{% endmacro %}
