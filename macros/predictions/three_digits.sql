{#- A number as text with three digits after the point, the same on every warehouse. -#}
{% macro three_digits(number) -%}
    cast(cast({{ number }} as decimal(9, 3)) as varchar)
{%- endmacro %}
