{#- The columns that a segment may reference: those of `profile_attributes`, lower-cased. -#}
{% macro attribute_names(relation) %}
    {%- if not execute or not relation.schema or not load_relation(relation) -%}
        {{ return([]) }}
    {%- endif -%}
    {{ return(
        adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list
    ) }}
{% endmacro %}
