{#-
    Ways in which the text of a property may break its rule: pairs of an SQL condition and a reason.
    Null text breaks no rule. A value only needs to be readable as its type, since trackers send
    numbers as text and warehouses hold arrays as text. Only its JSON type shows whether a text is
    an object or array (`plan_violation`).
-#}
{% macro broken_rules(rule, text) %}
    {%- set number = try_number(text) -%}
    {%- set unreadable = {
        'number': [number ~ ' is null', 'is not a number'],
        'integer': [
            'not coalesce(' ~ number ~ ' = floor(' ~ number ~ '), false)', 'is not an integer'
        ],
        'boolean': ['lower(' ~ text ~ ") not in ('true', 'false')", 'is not a boolean'],
        'timestamp': [try_timestamp(text) ~ ' is null', 'is not a timestamp'],
        'object': [text ~ " not like '{%'", 'is not an object'],
        'array': [text ~ " not like '[%'", 'is not an array'],
    } -%}
    {%- set wrong = [] -%}
    {%- if rule['type'] in unreadable -%}
        {%- set condition, violation = unreadable[rule['type']] -%}
        {%- do wrong.append([text ~ ' is not null and ' ~ condition, violation]) -%}
    {%- endif -%}
    {%- if rule['allowed'] -%}
        {%- do wrong.append([
            text ~ " not in ('" ~ rule['allowed'] | map('replace', "'", "''") | join("', '") ~ "')",
            'is not one of ' ~ rule['allowed'] | join(', '),
        ]) -%}
    {%- endif -%}
    {%- if rule['pattern'] -%}
        {%- do wrong.append([
            'not ' ~ matches_whole(text, rule['pattern']),
            'does not match ' ~ rule['pattern'],
        ]) -%}
    {%- endif -%}
    {{ return(wrong) }}
{% endmacro %}
