{#-
    The declared traits as a list of {name, description, place, spec}; those of the shop only if the
    var `shop` is true. Empty while dbt only parses.
-#}
{% macro declared_traits() %}
    {{ return(declarations().traits(var('shop')) if execute else []) }}
{% endmacro %}
