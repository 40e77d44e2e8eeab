{#-
    The declared traits, as columns of a grouped select over the relation of CTE `events`
    (occurred_at, event_number, event_name, properties, as_of). docs/how-to/add-a-segment.md lists
    the keys of a trait.

    An event counts from its instant on until the window has passed: a step function of time.
-#}
{% macro trait_columns(plan) %}
{%- for trait in declared_traits() %}
    {{ trait_expression(trait, plan, trait.name ~ '_met') | trim | indent(4) }}
    as {{ trait.name }},
{% endfor -%}
{% endmacro %}
