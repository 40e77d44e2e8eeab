{#-
    The first of several fields of a JSON object that is not blank, since loaders name fields
    differently. `plan.id` is field `id` of the object in field `plan`, which may be written as
    text.
-#}
{% macro first_text(record, names) -%}
{%- set texts = [] -%}
{%- for name in names -%}
    {%- set field, inner = (name ~ '.').split('.', 1) -%}
    {%- set text = json_text(record, field) -%}
    {%- if inner -%}
        {%- set text = json_text(parse_json_text(text), inner.rstrip('.')) -%}
    {%- endif -%}
    {%- do texts.append("nullif(trim(" ~ text ~ "), '')") -%}
{%- endfor -%}
{%- if texts | length == 1 -%}
{{ texts[0] }}
{%- else -%}
coalesce(
    {{ texts | join(',\n    ') }}
)
{%- endif -%}
{%- endmacro %}
