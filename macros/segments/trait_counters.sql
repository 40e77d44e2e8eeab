{#-
    For each trait with the aggregate `most_frequent`: how often this event's value has occurred, as
    a window over the events. A tie then goes to the last value.
-#}
{% macro trait_counters(model_name, plan) %}
{%- for trait in declared_columns(model_name, 'trait') if trait.spec.aggregate == 'most_frequent' %}
    {%- set what = 'Trait "' ~ trait.name ~ '" of ' ~ model_name -%}
    ,
    sum(case when {{ trait_condition(what, trait.spec, plan) }} then 1 else 0 end) over (
        partition by profile_id, {{ json_text('properties', trait.spec.property) | trim }}
    ) as {{ trait.name }}_met
{%- endfor -%}
{% endmacro %}
