{#-
    The properties of an event with each key of ours that is null or absent filled from its aliases,
    the first of them that is filled, by priority; what was sent stays. An alias for any event (`*`)
    holds for those whose plan has the property.
    Events without aliases cost a comparison of names; others are parsed only where an alias stands
    in the text.
-#}
{% macro aliased_properties(aliases, plan, source, event_name, properties) %}
{%- set rows = seed_rows(aliases, ['priority', 'alias', 'source', 'event_name', 'property']) -%}
{%- set cases = [] -%}
{%- for event, rules in plan_rules(plan).items() -%}
    {%- set planned = rules | map(attribute='property') | list -%}
    {%- set of_event = [] -%}
    {%- for _, alias, of_source, name, property in rows
        if name == event or (name == '*' and property in planned) -%}
        {%- do of_event.append([of_source, alias, property]) -%}
    {%- endfor -%}
    {%- set sources = of_event | map('first') | unique | reject('equalto', '*') | list -%}
    {%- for wanted in sources + ['*'] -%}
        {%- set aliases_of = {} -%}
        {%- for of_source, alias, property in of_event if of_source in ['*', wanted] -%}
            {%- do aliases_of.setdefault(property, []).append(alias) -%}
        {%- endfor -%}
        {%- if aliases_of -%}
            {%- set condition = event_name ~ " = '" ~ event ~ "'" -%}
            {%- if wanted != '*' -%}
                {%- set condition = condition ~ ' and ' ~ source ~ " = '" ~ wanted ~ "'" -%}
            {%- endif -%}
            {%- do cases.append([condition, json_filled(properties, aliases_of)]) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endfor -%}
{%- if cases -%}
case
    {%- for condition, filled in cases %}
    when {{ condition }}
        then {{ filled | indent(12) }}
    {%- endfor %}
    else {{ properties }}
end
{%- else -%}
{{ properties }}
{%- endif -%}
{%- endmacro %}
