{# The steps of the materialization `connected_components`, one select each. #}

{# Every node with a number. Random order makes paths along lowest neighbours short. #}
{% macro components_nodes(rows) %}
  with nodes as (
    select left_node as node from {{ rows }}
    union
    select right_node from {{ rows }}
  )

  select
    node,
    row_number() over (order by hash(node)) as number
  from nodes
  where node is not null
{% endmacro %}


{# Both directions of every edge, so that a node's neighbours are the rows with it on the left. #}
{% macro components_edges(rows, nodes) %}
  with edges as (
    select
      left_nodes.number as left_number,
      right_nodes.number as right_number
    from {{ rows }} as ends
    inner join {{ nodes }} as left_nodes on ends.left_node = left_nodes.node
    inner join {{ nodes }} as right_nodes on ends.right_node = right_nodes.node
    where left_nodes.number <> right_nodes.number
  )

  select left_number, right_number from edges
  union all
  select right_number, left_number from edges
{% endmacro %}


{# Every component hooks to its lowest neighbour. #}
{% macro components_roots(edges, doublings) %}
  {% set hooks %}
    select
      left_number as number,
      min(right_number) as parent
    from {{ edges }}
    group by left_number
  {% endset %}
  {{ components_followed(hooks, doublings) }}
{% endmacro %}


{#
  2^doublings hooks are followed. The only cycles are pairs (among lowest neighbours, every second
  is not greater than the one two before); the lower of a pair becomes the root. An end that is not
  yet the root still represents everything that leads to it: a later round continues from it.
#}
{% macro components_followed(hooks, doublings) %}
  with hooks as ({{ hooks }}),

  followed_1 as (
    select
      hooks.number,
      case
        when parents.parent = hooks.number then least(hooks.number, hooks.parent)
        else parents.parent
      end as parent
    from hooks
    inner join hooks as parents on hooks.parent = parents.number
  )
  {%- for doubling in range(1, doublings) %},

  followed_{{ doubling + 1 }} as (
    select
      followed.number,
      parents.parent
    from followed_{{ doubling }} as followed
    inner join followed_{{ doubling }} as parents on followed.parent = parents.number
  )
  {%- endfor %}

  select number, parent as root from followed_{{ doublings }}
{% endmacro %}


{# Edges between the roots, without loops and duplicates. #}
{% macro components_contract(edges, roots) %}
  select distinct
    left_roots.root as left_number,
    right_roots.root as right_number
  from {{ edges }} as edges
  inner join {{ roots }} as left_roots on edges.left_number = left_roots.number
  inner join {{ roots }} as right_roots on edges.right_number = right_roots.number
  where left_roots.root <> right_roots.root
{% endmacro %}


{# Every node with its component, named by the component's lowest node. #}
{% macro components_found(nodes, rounds) %}
  with rooted as ({{ components_rooted(nodes, rounds) }})

  select
    node,
    min(node) over (partition by root) as component
  from rooted
{% endmacro %}


{# Every node with its root after all rounds. #}
{% macro components_rooted(nodes, rounds) %}
  select
    nodes.node,
    coalesce(
      {%- for round in range(rounds | length, 0, -1) %} roots_{{ round }}.root,{% endfor %}
      nodes.number
    ) as root
  from {{ nodes }} as nodes
  {%- for roots in rounds %}
  left join {{ roots }} as roots_{{ loop.index }}
    on {{ 'nodes.number' if loop.first else 'roots_' ~ loop.index0 ~ '.root' }}
      = roots_{{ loop.index }}.number
  {%- endfor %}
{% endmacro %}
