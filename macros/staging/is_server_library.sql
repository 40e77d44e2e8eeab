{#-
    Whether a library that sent a call runs on a server, by its name: `analytics-node`. The
    browser's `analytics.js` skips the regular expression.
-#}
{% macro is_server_library(name) -%}
case
    when
        {{ name }} like '%-%'
        or lower({{ name }}) like '%.net%'
        or lower({{ name }}) like '%server%'
        then {{ matches(name, '-(node|python|ruby|php)|-(java|go)([^a-z]|$)|[.]net|server') }}
    else false
end
{%- endmacro %}
