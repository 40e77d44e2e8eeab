{#-
    For each trait with the aggregate `most_frequent`: how often this event's value has occurred, as
    a window over the events. A tie then goes to the last value.
-#}
{% macro trait_counters(plan) %}
{%- for trait in declared_traits() if trait.spec.aggregate == 'most_frequent' -%}
    ,
    sum(case when {{ trait_condition(trait, plan) }} then 1 else 0 end) over (
        partition by profile_id, {{ json_text('properties', trait.spec.property) | trim }}
    ) as {{ trait.name }}_met
{%- endfor -%}
{% endmacro %}
