{#- Path of an event's page, from its context, else from its properties, as in a web log. -#}
{% macro page_path(context_path, context_url, own_path, own_url) -%}
    coalesce(
        nullif({{ context_path }}, ''),
        {{ url_path(context_url) | indent(8) }},
        nullif({{ own_path }}, ''),
        {{ url_path(own_url) | indent(8) }}
    )
{%- endmacro %}
