{#- Host of an address in lower case, without `www.`; null if it is no address. -#}
{% macro url_host(url) -%}
    nullif(replace(
        split_part(split_part(split_part(lower({{ url }}), '://', 2), '/', 1), '?', 1), 'www.', ''
    ), '')
{%- endmacro %}
