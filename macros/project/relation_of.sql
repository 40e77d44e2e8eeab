{#-
    The relation of a model by name, in the schema of its folder, for a model that reads a table
    written after it, where a `ref` would be a cycle.
-#}
{% macro relation_of(name) %}
    {%- if not execute -%}
        {{ return(this) }}
    {%- endif -%}
    {%- set node = graph.nodes['model.tideline.' ~ name] -%}
    {{ return(api.Relation.create(node.database, node.schema, node.alias)) }}
{% endmacro %}
