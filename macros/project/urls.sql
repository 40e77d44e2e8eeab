{#- Path of an event's page, from its context, else from its properties, as in a web log. -#}
{% macro page_path(context_path, context_url, own_path, own_url) -%}
    coalesce(
        nullif({{ context_path }}, ''),
        {{ url_path(context_url) | indent(8) }},
        nullif({{ own_path }}, ''),
        {{ url_path(own_url) | indent(8) }}
    )
{%- endmacro %}

{#-
    Path of a URL (`https://host/path`) or of a web server's log (`/path`), without query and
    fragment. The part after `?` may contain a URL, so it is cut off first.
-#}
{% macro url_path(url) -%}
    {%- set bare = "split_part(split_part(" ~ url ~ ", '?', 1), '#', 1)" -%}
    {%- set rest = "split_part(" ~ bare ~ ", '://', 2)" -%}
    case
        when left({{ bare }}, 1) = '/' then {{ bare }}
        when {{ bare }} like '%://%'
            then '/' || substr({{ rest }}, length(split_part({{ rest }}, '/', 1)) + 2)
    end
{%- endmacro %}

{#-
    Host of a URL in lower case, without `www.`; null if the text is not a URL. A query, or the path
    of a web server's log (`/path`), may itself contain a URL.
-#}
{% macro url_host(url) -%}
    {%- set bare = "split_part(split_part(lower(" ~ url ~ "), '?', 1), '#', 1)" -%}
    case
        when left({{ bare }}, 1) <> '/'
            then nullif(
                replace(split_part(split_part({{ bare }}, '://', 2), '/', 1), 'www.', ''), ''
            )
    end
{%- endmacro %}
