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
