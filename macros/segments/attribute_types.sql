{#-
    The columns that a segment may reference, those of `profile_attributes`, as {name: type}; none
    while dbt parses and before the view is built.
-#}
{% macro attribute_types(relation) %}
    {%- if not execute or not relation.schema or not load_relation(relation) -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set types = {} -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do types.update({column.name | lower: column.dtype}) -%}
    {%- endfor -%}
    {{ return(types) }}
{% endmacro %}
