{#-
    How the text of a property may break its rule: pairs of an SQL condition and what is then wrong;
    null text breaks none. A value is held to what it can be read as, for trackers send numbers as
    text and warehouses hold arrays as text. That a text is no object or array shows in its type
    only (`plan_violation`).
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
