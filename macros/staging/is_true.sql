{#- Whether a text means true, as JSON, CSV and databases write it; false for null. -#}
{% macro is_true(text) -%}
coalesce(lower({{ text }}) in ('true', 't', '1'), false)
{%- endmacro %}
