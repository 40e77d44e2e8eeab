{#- The first of several fields of a JSON object that is not empty, as text: loaders name them differently. -#}
{% macro first_text(record, names) -%}
coalesce(
    {%- for name in names %}
    nullif(trim({{ json_text(record, name) }}), ''){{ ',' if not loop.last }}
    {%- endfor %}
    {%- if names | length == 1 %}, null{% endif %}
)
{%- endmacro %}
