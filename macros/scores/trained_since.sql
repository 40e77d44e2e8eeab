{#- Whether a version was trained since rows were last removed: one before may know such rows. -#}
{% macro trained_since(version, last_removal) -%}
({{ last_removal }}.removed_at is null or {{ version }}.last_removal_at >= {{ last_removal }}.removed_at)
{%- endmacro %}
