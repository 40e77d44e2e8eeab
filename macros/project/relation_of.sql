{#-
    The relation of a model by its name, wherever its folder puts it, for what reads a table that is
    written after it: a `ref` would be a circle.
-#}
{% macro relation_of(name) %}
    {%- if not execute -%}
        {{ return(this) }}
    {%- endif -%}
    {%- set node = graph.nodes['model.tideline.' ~ name] -%}
    {{ return(api.Relation.create(node.database, node.schema, node.alias)) }}
{% endmacro %}
