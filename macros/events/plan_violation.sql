{#-
    The first rule of the tracking plan that an event breaks, as text, else null.
    One case per event name, so that a row is held only against the rules of its own event.
    An empty plan forbids nothing.
-#}
{% macro plan_violation(plan, event_name, properties) %}
{%- set columns = ['event_name', 'property', 'property_type', 'is_required', 'allowed_values'] -%}
{%- set rules = {} -%}
{%- for event, property, type, is_required, allowed in seed_rows(plan, columns) -%}
    {%- set value = json_text(properties, property) if property else none -%}
    {%- set checks = rules.setdefault(event, []) -%}
    {%- if property and is_required -%}
        {%- do checks.append([value ~ ' is null', property ~ ' is missing']) -%}
    {%- endif -%}
    {%- if property and type == 'number' -%}
        {%- do checks.append([
            value ~ ' is not null and ' ~ try_number(value) ~ ' is null',
            property ~ ' is not a number',
        ]) -%}
    {%- endif -%}
    {%- if property and allowed -%}
        {%- do checks.append([
            value ~ " not in ('" ~ allowed.replace("'", "''").split('|') | join("', '") ~ "')",
            property ~ ' is none of ' ~ allowed.replace('|', ', '),
        ]) -%}
    {%- endif -%}
{%- endfor -%}
{%- if not rules -%}
cast(null as varchar)
{%- else -%}
case
    when {{ event_name }} is null then 'no event name'
    {%- for event, checks in rules.items() %}
    when {{ event_name }} = '{{ event | replace("'", "''") }}'
        then
            case
                {%- for condition, violation in checks %}
                when {{ condition }} then '{{ (event ~ ': ' ~ violation) | replace("'", "''") }}'
                {%- endfor %}
                when false then ''
            end
    {%- endfor %}
    else 'unknown event'
end
{%- endif -%}
{%- endmacro %}
