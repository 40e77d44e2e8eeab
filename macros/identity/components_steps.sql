{# The steps of the materialization `connected_components`, one select each. #}

{# Both directions of every edge, so that a node's neighbours are the rows it is on the left of. #}
{% macro components_edges(rows) %}
  select left_node, right_node from {{ rows }} where left_node <> right_node
  union
  select right_node, left_node from {{ rows }} where left_node <> right_node
{% endmacro %}


{# Every node is at first a component of its own. What is known of a node is what it is left of. #}
{% macro components_nodes(rows) %}
  with ends as (
    select left_node as node, updated_at from {{ rows }}
    union all
    select right_node, null from {{ rows }}
  )

  select
    node,
    node as component,
    max(updated_at) as updated_at
  from ends
  where node is not null
  group by node
{% endmacro %}


{#
  Every component hooks to its least neighbour. Along hooks every second component is no greater
  than the one two before, so the only cycles are pairs; the lesser of such a pair becomes the
  root, and is the least of all that lead to it.
#}
{% macro components_hook(edges) %}
  with hooks as (
    select
      left_node as node,
      min(right_node) as parent
    from {{ edges }}
    group by left_node
  ),

  roots as (
    select hooks.node
    from hooks
    inner join hooks as back on hooks.parent = back.node
    where back.parent = hooks.node and hooks.node < hooks.parent
  )

  select
    hooks.node,
    coalesce(roots.node, hooks.parent) as parent,
    roots.node is null as is_moved
  from hooks
  left join roots on hooks.node = roots.node
{% endmacro %}


{# Pointer jumping, twice at once: four hooks become one. #}
{% macro components_jump(hooks) %}
  select
    first_hook.node,
    fourth_hook.parent,
    fourth_hook.parent <> first_hook.parent as is_moved
  from {{ hooks }} as first_hook
  inner join {{ hooks }} as second_hook on first_hook.parent = second_hook.node
  inner join {{ hooks }} as third_hook on second_hook.parent = third_hook.node
  inner join {{ hooks }} as fourth_hook on third_hook.parent = fourth_hook.node
{% endmacro %}


{# Components without an edge left have no hook and keep their label. #}
{% macro components_relabel(labels, hooks) %}
  select
    labels.node,
    coalesce(hooks.parent, labels.component) as component,
    labels.updated_at
  from {{ labels }} as labels
  left join {{ hooks }} as hooks on labels.component = hooks.node
{% endmacro %}


{# Edges between the roots: loops dropped, repeats once. #}
{% macro components_contract(edges, hooks) %}
  select distinct
    left_hook.parent as left_node,
    right_hook.parent as right_node
  from {{ edges }} as edges
  inner join {{ hooks }} as left_hook on edges.left_node = left_hook.node
  inner join {{ hooks }} as right_hook on edges.right_node = right_hook.node
  where left_hook.parent <> right_hook.parent
{% endmacro %}
