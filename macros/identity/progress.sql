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

{#- Hash of the seeds that decide who is one person. -#}
{% macro identity_rules_version() %}
    {%- set seeds = {
        ref('identifier_rules'): [
            'id_type', 'priority', 'is_unique_per_profile', 'is_lower_cased', 'is_gmail_folded'
        ],
        ref('identifier_blocklist'): ['id_type', 'part', 'value', 'reason'],
        ref('identifier_limits'): ['id_type', 'max_per_profile'],
        ref('identity_exclusions'): [
            'left_type', 'left_value', 'right_type', 'right_value', 'reason'
        ],
    } -%}
    {{ return(seeds_version(seeds)) }}
{% endmacro %}

{#
    Stops a full rebuild of one model (`--full-refresh`) while the steps before it hold only what
    new rows reach.
#}
{% macro assert_all_is_reached() %}
    {%- set identifiers, reached = ref('identifiers'), ref('int_reached_identifiers') -%}
    {%- set is_kept = is_incremental() or components_are_kept() -%}
    {%- if execute and flags.WHICH in ['run', 'build'] and not is_kept -%}
        {%- set query -%}
            select count(*) from {{ identifiers }}
            where identifier_id not in (
                select reached.identifier_id from {{ reached }} as reached
            )
        {%- endset -%}
        {%- if run_query(query).rows[0][0] -%}
            {{ exceptions.raise_compiler_error(
                this.identifier ~ ' cannot be rebuilt alone: this run resolves only identifiers '
                ~ 'that new rows reach. Run dbt build --full-refresh --select '
                ~ 'int_touched_identifiers+'
            ) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{#-
    The number of this run of identity in `profile_revisions`: the microseconds of its start, so
    that it is above those that a later model has seen, also after the table is written anew.
-#}
{% macro next_revision() %}
    {%- set started = (run_started_at.timestamp() * 1000000) | int -%}
    {%- set query -%}
        select max(revision) from {{ this }}
    {%- endset -%}
    {%- set last = run_query(query).rows[0][0] if execute and is_incremental() -%}
    {{ return([started, (last or 0) + 1] | max) }}
{% endmacro %}

{#
    The incremental strategy `reached`: replaces the rows of the identifiers that this run reached,
    even if there are no new rows. `unique_key` is the SQL of the identifier.
#}
{% macro get_incremental_reached_sql(arguments) %}
    {%- set target, columns = arguments.target_relation, get_quoted_csv(
        arguments.dest_columns | map(attribute='name')
    ) -%}
    {%- set reached = relation_of('int_reached_identifiers') -%}
    {%- set statements -%}
        delete from {{ target }}
        where {{ arguments.unique_key }} in (select identifier_id from {{ reached }});

        insert into {{ target }} ({{ columns }})
        select {{ columns }} from {{ arguments.temp_relation }}
    {%- endset -%}
    {{ return(in_transaction(statements)) }}
{% endmacro %}
