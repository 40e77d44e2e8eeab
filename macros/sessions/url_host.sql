{#-
    Host of an address in lower case, without `www.`; null if it is no address. A query, and the
    path of a web server's log (`/path`), may hold an address of their own.
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
