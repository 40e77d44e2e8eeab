{#
    Prints the evidence that joins two identifiers or profiles, or what was refused between them:

        dbt run-operation why_linked --args '{a: email:ann@example.org, b: anonymous_id:d-1}'

    What it finds is printed and not logged. The log of dbt holds what was asked for.
#}
{% macro why_linked(a, b) %}
    {%- set left = why_linked_end('a', a) -%}
    {%- set right = why_linked_end('b', b) -%}
    {%- if left.identifier_id == right.identifier_id -%}
        {%- do print('Both are ' ~ left.identifier_id ~ ', of profile ' ~ left.profile_id ~ '.') -%}
    {%- elif left.component and left.component == right.component -%}
        {%- do why_linked_print_path(left, right) -%}
    {%- else -%}
        {%- do why_linked_print_refused(left, right) -%}
    {%- endif -%}
{% endmacro %}

{# The identifier_id of an argument, with its profile and component. #}
{% macro why_linked_end(argument, text) %}
    {%- set id_type, _, value = (text | string | trim).partition(':') -%}
    {%- set types = seed_rows(ref('identifier_rules'), ['id_type']) | map('first') | list -%}
    {%- if id_type not in types and id_type != 'profile_id' or not value -%}
        {{ exceptions.raise_compiler_error(
            '`' ~ argument ~ '` is not a valid identifier: write it as <type>:<value>, such as '
            ~ 'email:ann@example.org. The types are '
            ~ (types + ['profile_id']) | join(', ') ~ '.'
        ) }}
    {%- endif -%}

    {%- if id_type == 'profile_id' -%}
        {%- set named = run_query(
            'select identifier_id from ' ~ ref('profile_aliases')
            ~ ' where profile_id = ' ~ why_linked_literal(value | trim)
        ).rows -%}
        {%- if not named -%}
            {{ exceptions.raise_compiler_error(
                'No profile was ever published under the id `' ~ argument ~ '`.'
            ) }}
        {%- endif -%}
        {%- set identifier_id = named[0][0] -%}
        {%- if not identifier_id -%}
            {{ exceptions.raise_compiler_error(
                'The profile `' ~ argument ~ '` no longer exists: no event carries its identifiers.'
            ) }}
        {%- endif -%}
    {%- else -%}
        {%- set literal = why_linked_literal(value) -%}
        {%- set identifier_id = run_query(
            "select id_type || ':' || "
            ~ normalized_identifier(literal, 'is_lower_cased', 'is_gmail_folded')
            ~ ' from ' ~ ref('identifier_rules')
            ~ ' where id_type = ' ~ why_linked_literal(id_type)
        ).rows[0][0] -%}
    {%- endif -%}

    {%- set query -%}
        select
            identifiers.identifier_id,
            identity_map.profile_id,
            components.component
        from {{ ref('identifiers') }} as identifiers
        left join {{ ref('identity_map') }} as identity_map
            on
                identifiers.identifier_id = identity_map.identifier_id
                and identity_map.valid_from is null
        left join {{ ref('identity_components') }} as components
            on identifiers.identifier_id = components.node
        where identifiers.identifier_id = {{ why_linked_literal(identifier_id) }}
    {%- endset -%}
    {%- set found = run_query(query).rows -%}
    {%- if not found -%}
        {{ exceptions.raise_compiler_error('No event carries the identifier `' ~ argument ~ '`.') }}
    {%- endif -%}
    {{ return({
        'identifier_id': found[0][0],
        'profile_id': found[0][1],
        'component': found[0][2],
    }) }}
{% endmacro %}

{# The shortest path between two identifiers of one component. #}
{% macro why_linked_print_path(left, right) %}
    {%- set query -%}
        select
            edges.left_id,
            edges.right_id,
            edges.event_count,
            edges.sources,
            edges.first_received_at,
            edges.last_received_at,
            edges.probability
        from {{ ref('identity_edges') }} as edges
        inner join {{ ref('identity_components') }} as components
            on edges.left_id = components.node
        where
            components.component = {{ why_linked_literal(left.component) }}
            and edges.edge_id not in (select blocked_id from {{ ref('identity_blocked') }})
        order by edges.first_received_at, edges.edge_id
    {%- endset -%}
    {%- set neighbours = {} -%}
    {%- for edge in run_query(query).rows -%}
        {%- do neighbours.setdefault(edge[0], []).append((edge[1], edge)) -%}
        {%- do neighbours.setdefault(edge[1], []).append((edge[0], edge)) -%}
    {%- endfor -%}

    {#- Breadth first: the loop continues over the nodes that it appends. -#}
    {%- set came_from = {left.identifier_id: none} -%}
    {%- set reached = [left.identifier_id] -%}
    {%- for node in reached -%}
        {%- for neighbour, edge in neighbours[node] if neighbour not in came_from -%}
            {%- do came_from.update({neighbour: (node, edge)}) -%}
            {%- do reached.append(neighbour) -%}
        {%- endfor -%}
    {%- endfor -%}

    {%- set lines = [] -%}
    {%- set back = namespace(node=right.identifier_id) -%}
    {%- for _ in reached if came_from[back.node] -%}
        {%- set previous, edge = came_from[back.node] -%}
        {%- do lines.append('  ' ~ back.node) -%}
        {%- do lines.append('    | ' ~ why_linked_events(edge[2:7])) -%}
        {%- set back.node = previous -%}
    {%- endfor -%}
    {%- do lines.append('  ' ~ left.identifier_id) -%}
    {%- do print('\nOne profile, ' ~ left.profile_id ~ ':\n') -%}
    {%- do print(lines | reverse | join('\n')) -%}
    {%- do print('\nIf this is wrong: docs/how-to/correct-identity.md.') -%}
{% endmacro %}

{# Prints the evidence refused between two profiles, else for either of them. #}
{% macro why_linked_print_refused(left, right) %}
    {%- set query -%}
        with sides as (
            select
                node as identifier_id,
                {#- An identifier that joins nothing has no component. #}
                coalesce(component = {{ why_linked_literal(left.component) }}, false) as is_left
            from {{ ref('identity_components') }}
            where component in (
                {{ why_linked_literal(left.component) }}, {{ why_linked_literal(right.component) }}
            )
            {%- for end in [left, right] if not end.component %}
            union all
            select
                {{ why_linked_literal(end.identifier_id) }},
                {{ 'true' if end == left else 'false' }}
            {%- endfor %}
        ),

        refusals as (
            select
                *,
                left_type || ':' || left_value as left_id,
                right_type || ':' || right_value as right_id
            from {{ ref('identity_blocked') }}
        ),

        touching as (
            select
                refusals.blocked_id,
                sides.is_left,
                case
                    when sides.identifier_id = refusals.left_id then refusals.right_id
                    else refusals.left_id
                end as other_id
            from sides
            inner join refusals
                on sides.identifier_id = refusals.left_id or sides.identifier_id = refusals.right_id
        ),

        between_them as (
            select blocked_id from touching
            group by blocked_id
            having count(distinct is_left) = 2

            union distinct

            select blocked_id from touching
            where other_id in (
                select other_id from touching group by other_id having count(distinct is_left) = 2
            )
        )

        select distinct
            between_them.blocked_id is not null as is_between,
            refusals.rule,
            refusals.reason,
            refusals.left_id,
            refusals.right_id,
            refusals.event_count,
            refusals.sources,
            refusals.first_received_at,
            refusals.last_received_at,
            refusals.probability,
            refusals.blocked_id
        from touching
        inner join refusals
            on touching.blocked_id = refusals.blocked_id
        left join between_them
            on refusals.blocked_id = between_them.blocked_id
        order by is_between desc, refusals.first_received_at, refusals.blocked_id
    {%- endset -%}
    {%- do print('\nNot one profile:\n') -%}
    {%- for end in [left, right] -%}
        {%- set whose = 'belongs to nobody' if not end.profile_id
            else 'belongs to ' ~ end.profile_id ~ ('' if end.component else ', at first') -%}
        {%- do print('  ' ~ end.identifier_id ~ ' ' ~ whose) -%}
    {%- endfor -%}

    {%- set refused = run_query(query).rows -%}
    {%- set shown = refused | selectattr(0) | list or refused -%}
    {%- if not refused -%}
        {%- do print('\nNo evidence joins them, and none was refused for either.') -%}
    {%- else -%}
        {%- set where = 'between them' if refused[0][0] else 'for either' -%}
        {%- do print('\nRefused ' ~ where ~ ':\n') -%}
    {%- endif -%}
    {%- for row in shown[:20] -%}
        {%- do print('  ' ~ row[3] ~ (' | ' ~ row[4] if row[4] else '')) -%}
        {%- do print('    ' ~ row[1] ~ ': ' ~ row[2] ~ '; ' ~ why_linked_events(row[5:10])) -%}
    {%- endfor -%}
    {%- if shown | length > 20 -%}
        {%- do print('  and ' ~ (shown | length - 20) ~ ' more, in identity_blocked') -%}
    {%- endif -%}
{% endmacro %}

{# How often, by which sources and when an edge was seen; for a match, its probability. #}
{% macro why_linked_events(evidence) %}
    {%- set event_count, sources, first_received_at, last_received_at, probability = evidence -%}
    {%- if probability is not none -%}
        {{- return(
            'matched with probability ' ~ '%.3f' | format(probability) ~ ', ' ~ first_received_at
        ) -}}
    {%- endif -%}
    {{- return(
        event_count ~ (' event' if event_count == 1 else ' events')
        ~ (' of ' ~ sources if sources else '') ~ ', received '
        ~ (first_received_at if first_received_at == last_received_at
            else first_received_at ~ ' to ' ~ last_received_at)
    ) -}}
{% endmacro %}

{# An SQL literal. #}
{% macro why_linked_literal(text) %}
    {{- return('null' if text is none else dbt.string_literal(dbt.escape_single_quotes(text))) -}}
{% endmacro %}
