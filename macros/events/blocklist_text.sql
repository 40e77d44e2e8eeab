{#- An identifier as it is compared with the blocklist: case and brackets do not count. -#}
{% macro blocklist_text(column) -%}
    translate(lower({{ column }}), '()[]{}<>', '')
{%- endmacro %}
