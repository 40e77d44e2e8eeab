{#- Path of an address: what follows scheme, host and port, before query and fragment. -#}
{% macro url_path(url) -%}
    {%- set rest -%}
        split_part(split_part(split_part({{ url }}, '://', 2), '?', 1), '#', 1)
    {%- endset -%}
    '/' || substr({{ rest }}, length(split_part({{ rest }}, '/', 1)) + 2)
{%- endmacro %}
