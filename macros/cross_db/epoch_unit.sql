{#- Microseconds in the unit of a number since 1970, by its digits before the point. -#}
{% macro epoch_unit(text) -%}
    case
        when length(split_part({{ text }}, '.', 1)) <= 11 then 1000000
        when length(split_part({{ text }}, '.', 1)) <= 14 then 1000
        else 1
    end
{%- endmacro %}
