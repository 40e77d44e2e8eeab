{#
  Whether a model with `materialized='connected_components', unique_key='node'` adds to its table.
  It then selects, besides new edges, each known component that is reached as a star: `node,
  component` of its rows. A star points to the lowest node, so it gives the same result as all edges
  of the component.
#}
{% macro components_are_kept() %}
  {%- if execute and config.get('unique_key') and not should_full_refresh() -%}
    {%- set relation = adapter.get_relation(this.database, this.schema, this.table) -%}
    {{ return(relation is not none and relation.is_table) }}
  {%- endif -%}
  {{ return(false) }}
{% endmacro %}
