{#-
    The properties of an event with each key of ours that is null or absent filled from its aliases,
    the first of them that is filled, by priority; what was sent stays.
    Events without aliases cost a comparison of names; others are parsed only where an alias stands
    in the text.
-#}
{% macro aliased_properties(aliases, plan, source, event_name, properties) %}
{%- set alias_rules = alias_rules(aliases, plan) -%}
{%- if alias_rules -%}
case
    {%- for event, of_event in alias_rules.items() %}
    when {{ event_name }} = '{{ event }}'
        then {{ filled_properties(of_event, source, properties) | indent(12) }}
    {%- endfor %}
    else {{ properties }}
end
{%- else -%}
{{ properties }}
{%- endif -%}
{%- endmacro %}
