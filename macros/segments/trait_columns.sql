{#-
    The traits that `model_name` declares, as columns of a grouped select over the relation of CTE
    `events` (occurred_at, event_number, event_name, properties, as_of). A trait says:

        event: name or list of names            aggregate: count | count_distinct | sum | average |
        property: what is aggregated                       min | max | first | last | first_at |
                                                           last_at | most_frequent
        filter: "{category} = 'jackets'"        window: 30 days (none: ever)
        sent_as: its column in activation_audiences (none: not sent)

    An event counts from its instant on until the window has passed: a step function of time.
-#}
{% macro trait_columns(model_name, plan) %}
{%- for trait in declared_columns(model_name, 'trait') %}
    {%- set what = 'Trait "' ~ trait.name ~ '" of ' ~ model_name -%}
    {%- set spec = trait.spec -%}
    {%- do checked_keys(
        what, spec, ['event', 'aggregate'], ['property', 'filter', 'window', 'sent_as']
    ) -%}
    {{ trait_expression(what, spec, plan, trait.name ~ '_met') | trim | indent(4) }}
    as {{ trait.name }},
{% endfor -%}
{% endmacro %}
