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
