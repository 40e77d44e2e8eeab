{#- Path of an event's page: what its context says, else its own properties, as in a web log. -#}
{% macro page_path(context_path, context_url, own_path, own_url) -%}
    coalesce(
        nullif({{ context_path }}, ''),
        {{ url_path(context_url) | indent(8) }},
        nullif({{ own_path }}, ''),
        {{ url_path(own_url) | indent(8) }}
    )
{%- endmacro %}
