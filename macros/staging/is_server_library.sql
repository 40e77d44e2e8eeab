{#- Whether a library that sent a call runs on a server, told by its name: `analytics-node`. -#}
{% macro is_server_library(name) -%}
{{ matches(name, '-(node|python|ruby|php)|-(java|go)([^a-z]|$)|[.]net|server') }}
{%- endmacro %}
