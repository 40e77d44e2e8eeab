{#- Fields of a JSON object as text, as `first_text` gives them, by name. -#}
{% macro field_texts(record, names) %}
    {%- set texts = {} -%}
    {%- for name in names -%}
        {%- do texts.update({name: first_text(record, [name])}) -%}
    {%- endfor -%}
    {{ return(texts) }}
{% endmacro %}
