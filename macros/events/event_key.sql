{#- The form in which event names are compared: case does not count, nor whether words are apart by
    spaces, hyphens or underscores. -#}
{% macro event_key(name) -%}
    lower(replace(replace(trim({{ name }}), ' ', '_'), '-', '_'))
{%- endmacro %}
