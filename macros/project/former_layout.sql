{#- Stops a run on a warehouse that was built when all tables were in one schema. -#}
{% macro checked_layout() %}
    {%- set former = former_tables() if execute else [] -%}
    {%- if former -%}
        {{ exceptions.raise_compiler_error(
            'This warehouse was built by an earlier release: ' ~ former | length ~ ' tables and '
            ~ 'views, such as ' ~ former[0].relation ~ ', now belong in the schema '
            ~ former[0].home.schema ~ '. Run `dbt run-operation move_former_tables` once, which '
            ~ 'keeps all built rows, then run this again. Nothing was changed.'
        ) }}
    {%- endif -%}
{% endmacro %}

{#-
    Relations that builds made in the public schema before internal models had a separate one: those
    with the former name of an internal model or seed, each with its current `home`.
-#}
{% macro former_tables() %}
    {%- set renamed = {
        'int_events_validated': 'judged_events',
        'int_events_deduplicated': 'landed_events',
        'int_events_flagged': 'flagged_events',
        'int_pending_removals': 'int_removals',
        'int_reached_account_regions': 'int_regions',
        'int_reached_components': 'int_components',
        'int_reached_components_after_refusals': 'int_cut_components',
        'int_reached_components_without_pair': 'int_limbs',
        'int_reached_device_intervals': 'int_device_intervals',
        'int_reached_edge_guards': 'int_edge_guards',
        'int_reached_edges_joining_accounts': 'int_bridges',
        'int_reached_edges_joining_excluded': 'int_cuts',
        'int_reached_edges_over_limit': 'int_excess',
        'int_reached_identifier_guards': 'int_identifier_guards',
        'model_parameters': 'model_terms',
    } -%}
    {%- set found = [] -%}
    {%- for node in graph.nodes.values()
        if node.package_name == 'tideline' and node.resource_type in ['model', 'seed']
        and node.schema | lower != target.schema | lower -%}
        {%- set relation = adapter.get_relation(
            target.database, target.schema, renamed.get(node.name, node.name)
        ) -%}
        {%- if relation -%}
            {%- do found.append({
                'relation': relation,
                'home': api.Relation.create(node.database, node.schema, node.alias),
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{#-
    Migrates a warehouse of an earlier release, by `dbt run-operation move_former_tables`: moves
    each table with its rows to its current home and drops each view, which the next build
    recreates. One at a time, so that a second call can finish what the first could not.
    `dim_profiles.email` gets its current name, `latest_email`.
-#}
{% macro move_former_tables() %}
    {%- set former = former_tables() -%}
    {%- for each in former if not each.relation.is_view and load_relation(each.home) -%}
        {{ exceptions.raise_compiler_error(
            'Both ' ~ each.relation ~ ' and ' ~ each.home ~ ' exist, and one would replace the '
            ~ 'other. Drop the one that you do not want, then run this again.'
        ) }}
    {%- endfor -%}
    {#- First, as a build accepts the warehouse once the last table has moved. -#}
    {%- do rename_former_email() -%}
    {%- for each in former -%}
        {%- do adapter.create_schema(each.home.without_identifier()) -%}
        {%- do take_home(each.relation, each.home) -%}
    {%- endfor -%}
    {%- do log(
        'Moved ' ~ former | length ~ ' tables and views of an earlier release out of '
        ~ target.schema ~ '. Run `dbt build`.', info=true
    ) -%}
{% endmacro %}

{#- Renames a column whose rows an incremental build keeps; a new one would be null in them. -#}
{% macro rename_former_email() %}
    {%- set profiles = adapter.get_relation(target.database, target.schema, 'dim_profiles') -%}
    {%- if profiles -%}
        {%- set columns = adapter.get_columns_in_relation(profiles)
            | map(attribute='name') | map('lower') | list -%}
        {%- if 'email' in columns and 'latest_email' not in columns -%}
            {%- call statement('rename_former_email', auto_begin=true) -%}
                alter table {{ profiles }} rename column email to latest_email;
                commit;
                begin
            {%- endcall -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
