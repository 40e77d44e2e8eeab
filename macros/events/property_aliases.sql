{#-
    The aliases of properties as a mapping of event names to pairs: a source (`*` for any, the last)
    and the aliases of each property, by priority. An alias for any event (`*`) applies to events
    whose plan has the property. A text that SQL cannot hold stops the build.
-#}
{% macro alias_rules(aliases, plan) %}
    {%- set rows = seed_rows(aliases, ['priority', 'alias', 'source', 'event_name', 'property']) -%}
    {%- for _, alias, source, event, property in rows -%}
        {%- set row = 'seeds/property_aliases.csv: ' ~ event ~ '.' ~ property ~ ': the ' -%}
        {%- for column, text in [('source', source), ('alias', alias), ('property', property)] -%}
            {%- do checked_seed_text(row ~ column, text, 'Remove the row.') -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set found = {} -%}
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
                {%- do found.setdefault(event, []).append([wanted, aliases_of]) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

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

{#- The properties of one event filled from its aliases, as `alias_rules` gives them. -#}
{% macro filled_properties(alias_rules, source, properties) %}
{%- if not alias_rules -%}
{{ properties }}
{%- elif alias_rules | length == 1 and alias_rules[0][0] == '*' -%}
{{ json_filled(properties, alias_rules[0][1]) }}
{%- else -%}
case
    {%- for wanted, aliases_of in alias_rules %}
    when {{ source ~ " = '" ~ wanted ~ "'" if wanted != '*' else 'true' }}
        then {{ json_filled(properties, aliases_of) | indent(12) }}
    {%- endfor %}
    else {{ properties }}
end
{%- endif -%}
{%- endmacro %}
