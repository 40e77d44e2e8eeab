{#-
    The relation of a model by name, in the schema of its folder. A model uses it for a table that
    is written later, because a `ref` would be a cycle.
-#}
{% macro relation_of(name) %}
    {%- if not execute -%}
        {{ return(this) }}
    {%- endif -%}
    {%- set node = graph.nodes['model.tideline.' ~ name] -%}
    {{ return(api.Relation.create(node.database, node.schema, node.alias)) }}
{% endmacro %}

{#- Whether a table has rows that meet a condition, looked up at compile time. -#}
{% macro has_rows(relation, condition) %}
    {%- if not execute -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set query -%}
        select 1 as found from {{ relation }} where {{ condition }} limit 1
    {%- endset -%}
    {{ return(run_query(query).rows | length > 0) }}
{% endmacro %}
