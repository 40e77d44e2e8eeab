{#- Whether a text means false, as JSON, CSV and databases write it; false for null. -#}
{% macro is_false(text) -%}
coalesce(lower({{ text }}) in ('false', 'f', '0'), false)
{%- endmacro %}
