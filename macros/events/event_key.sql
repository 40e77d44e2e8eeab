{#-
    The form in which event names are compared: without case, and with spaces and hyphens as
    underscores.
-#}
{% macro event_key(name) -%}
    lower(replace(replace(trim({{ name }}), ' ', '_'), '-', '_'))
{%- endmacro %}
