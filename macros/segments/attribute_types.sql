{#-
    The columns that a segment may reference, those of `profile_attributes`, as {name: type}; empty
    while dbt parses and before the view is built.
-#}
{% macro attribute_types(relation) %}
    {%- set types = {} -%}
    {%- if execute and relation.schema and load_relation(relation) -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- do types.update({column.name | lower: column.dtype}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(types) }}
{% endmacro %}
