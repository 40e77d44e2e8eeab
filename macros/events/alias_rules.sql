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
