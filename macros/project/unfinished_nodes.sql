{#-
    The table of the nodes that the last run which selected them did not finish. `tideline publish`
    refuses a warehouse with such nodes, because readers would see a mix of two runs. It is not a
    model: a run that is killed must leave its nodes here.
-#}
{% macro unfinished_nodes() %}
    {{ return(api.Relation.create(
        target.database, target.schema ~ '_internal', 'unfinished_nodes', type='table'
    )) }}
{% endmacro %}

{#-
    The nodes of a run, listed before it builds anything; creates the table if it is missing. Tests
    are listed only if they have failed.
-#}
{% macro list_started_nodes() %}
    {%- if execute and flags.WHICH in ['build', 'run', 'seed', 'snapshot', 'test'] -%}
        {%- set table = unfinished_nodes() -%}
        {%- do adapter.create_schema(table) -%}
        {%- do run_query(
            'create table if not exists ' ~ table ~ ' (node_id varchar, status varchar)'
        ) -%}
        {%- if target.name != 'fakesnow' -%} {# which cannot parse comments #}
            {%- set source = graph.sources['source.tideline.runs.unfinished_nodes'] -%}
            {%- do run_query(
                'comment on table ' ~ table ~ ' is ' ~ text_literal(source.description | trim)
            ) -%}
            {%- for column in source.columns.values() -%}
                {%- do run_query(
                    'comment on column ' ~ table ~ '.' ~ column.name ~ ' is '
                    ~ text_literal(column.description | trim)
                ) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- set started = [] -%}
        {%- for node_id in selected_resources
            if node_id.split('.')[0] in ['model', 'seed', 'snapshot'] and flags.WHICH != 'test' -%}
            {%- do started.append([node_id, 'started']) -%}
        {%- endfor -%}
        {# What reads a node that this run builds, without being built itself, will be older. #}
        {%- set built = started | map('first') | list -%}
        {%- for node in graph.nodes.values()
            if node.resource_type in ['model', 'snapshot'] and node.unique_id not in built -%}
            {%- if node.depends_on.nodes | select('in', built) | list -%}
                {%- do started.append([node.unique_id, 'stale']) -%}
            {%- endif -%}
        {%- endfor -%}
        {# Nodes that the project no longer has will never be finished. #}
        {%- do run_query(
            'delete from ' ~ table ~ ' where node_id not in (' ~ literals_of(graph.nodes) ~ ')'
        ) -%}
        {%- do replace_unfinished(started, []) -%}
    {%- endif -%}
{% endmacro %}

{#- The nodes and tests that a run did not finish; `results` are those of dbt. -#}
{% macro list_unfinished_nodes(results) %}
    {%- if execute and flags.WHICH in ['build', 'run', 'seed', 'snapshot', 'test'] -%}
        {%- set unfinished, finished = [], [] -%}
        {%- for result in results -%}
            {%- set status = result.status | string | lower -%}
            {%- if flags.EMPTY -%}
                {%- do unfinished.append([result.node.unique_id, 'empty']) -%}
            {%- elif status in ['success', 'pass', 'warn', 'no-op'] -%}
                {%- do finished.append(result.node.unique_id) -%}
            {%- else -%}
                {%- do unfinished.append([result.node.unique_id, status]) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do replace_unfinished(unfinished, finished) -%}
    {%- endif -%}
{% endmacro %}

{#- Lists nodes as unfinished with their status, and takes others from the list. -#}
{% macro replace_unfinished(unfinished, finished) %}
    {%- set table = unfinished_nodes() -%}
    {%- set listed = finished + unfinished | map('first') | list -%}
    {%- if listed -%}
        {%- do run_query(
            'delete from ' ~ table ~ ' where node_id in (' ~ literals_of(listed) ~ ')'
        ) -%}
    {%- endif -%}
    {%- if unfinished -%}
        {%- set rows = [] -%}
        {%- for node_id, status in unfinished -%}
            {%- do rows.append("('" ~ node_id ~ "', '" ~ status ~ "')") -%}
        {%- endfor -%}
        {%- do run_query('insert into ' ~ table ~ ' values ' ~ rows | join(', ')) -%}
    {%- endif -%}
{% endmacro %}

{#- Ids of nodes as SQL literals; dbt makes them of names that hold no quote. -#}
{% macro literals_of(node_ids) %}
    {{ return("'" ~ node_ids | join("', '") ~ "'") }}
{% endmacro %}
