{#-
    Whether a version was trained after rows were last removed: an earlier one may have learned from
    these rows. A version without that record counts while there was no removal.
-#}
{% macro trained_since(version, last_removal) -%}
coalesce({{ version }}.last_removal_at, cast('1970-01-01' as timestamp))
>= {{ last_removal }}.removed_at
{%- endmacro %}

{#- A number as text with three digits after the point, the same on every warehouse. -#}
{% macro three_digits(number) -%}
    cast(cast({{ number }} as decimal(9, 3)) as varchar)
{%- endmacro %}
