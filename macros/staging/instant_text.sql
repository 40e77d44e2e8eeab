{#- A timestamp as text for an event id: microseconds since 1970, the same for every format. -#}
{% macro instant_text(timestamp) -%}
cast(datediff('microsecond', timestamp '1970-01-01 00:00:00', {{ timestamp }}) as varchar)
{%- endmacro %}
