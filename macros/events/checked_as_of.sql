{#- The var `as_of` as an SQL timestamp in UTC; stops the build when it is no instant. -#}
{% macro checked_as_of() %}
    {%- set as_of = var('as_of') | string -%}
    {%- if not modules.re.fullmatch(iso_8601('zoned') ~ '|' ~ iso_8601('unzoned'), as_of) -%}
        {{ exceptions.raise_compiler_error(
            'The var as_of is "' ~ as_of ~ '", which is no instant. Write it in ISO 8601, such as '
            ~ '2026-11-20 or 2026-11-20T08:00:00Z.'
        ) }}
    {%- endif -%}
    {{ return(try_timestamp("'" ~ as_of ~ "'") | trim) }}
{% endmacro %}
