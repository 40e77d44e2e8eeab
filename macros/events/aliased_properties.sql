{#-
    The properties of an event, with each of our keys that is null or absent filled from its first
    filled alias, by priority; the keys as sent stay. Events without aliases cost one comparison of
    names; others are parsed only if the text contains an alias.
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
