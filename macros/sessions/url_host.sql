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
