{#-
    Whether a version was trained since rows were last removed: one before may know such rows. A
    version from before this was noted counts while there was no removal.
-#}
{% macro trained_since(version, last_removal) -%}
coalesce({{ version }}.last_removal_at, cast('1970-01-01' as timestamp))
>= {{ last_removal }}.removed_at
{%- endmacro %}
