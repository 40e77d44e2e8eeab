{#- Texts as a list of SQL literals. -#}
{% macro literals(texts) -%}
    {%- for text in texts -%}
    '{{ text | replace("'", "''") }}'{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
