{#-
    The tracking plan as a mapping of event names to their rules, one per property, each with its
    `property`, `type`, `is_required`, `allowed` (a list) and `pattern`. A text that SQL cannot hold
    stops the build.
-#}
{% macro plan_rules(plan) %}
    {%- set columns = [
        'event_name', 'property', 'property_type', 'is_required', 'allowed_values', 'pattern'
    ] -%}
    {%- set rules = {} -%}
    {%- for event, property, type, is_required, allowed, pattern in seed_rows(plan, columns) -%}
        {%- do checked_seed_text('seeds/tracking_plan.csv: the event', event, 'Rename it.') -%}
        {%- set of_event = rules.setdefault(event, []) -%}
        {%- if property -%}
            {%- set row = 'seeds/tracking_plan.csv: ' ~ event ~ '.' ~ property ~ ': the ' -%}
            {%- do checked_seed_text(row ~ 'property', property, 'Remove the row.') -%}
            {%- do checked_seed_text(
                row ~ 'pattern', pattern, 'Write [.] for a dot, . for a quote.'
            ) -%}
            {#- Quotes in allowed values are doubled when written. -#}
            {%- do checked_seed_text(
                row ~ 'allowed_values', allowed, 'Write a pattern instead.', unsafe=['\\']
            ) -%}
            {%- do of_event.append({
                'property': property,
                'type': type,
                'is_required': is_required,
                'allowed': allowed.split('|') if allowed else [],
                'pattern': pattern,
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(rules) }}
{% endmacro %}

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

{#-
    The first rule of the tracking plan that an event breaks, as text, else null. One case per event
    name, so that a row is compared only with the rules of its own event and its properties are
    parsed once for all of them (once more to find nested values, which are not text). An empty plan
    allows everything.
-#}
{% macro plan_violation(plan, event_name, properties) %}
{%- set plan_rules = plan_rules(plan) -%}
{%- if not plan_rules -%}
cast(null as varchar)
{%- else -%}
case
    when {{ event_name }} is null then 'no event name'
    {%- for event, rules in plan_rules.items() %}
    {%- set texts_of = rules | selectattr('type', 'equalto', 'text') | list %}
    when {{ event_name }} = '{{ event }}'
        {%- if not rules %}
        then null
        {%- else %}
        then coalesce(
            {% call(texts) with_json_texts(properties, rules | map(attribute='property')) -%}
            case
                {%- for rule in rules %}
                {%- set text = texts[loop.index0] %}
                {%- set breach = event ~ ': ' ~ rule['property'] ~ ' ' %}
                {%- if rule['is_required'] %}
                when {{ text }} is null then '{{ breach ~ "is missing" }}'
                {%- endif %}
                {%- for condition, violation in broken_rules(rule, text) %}
                when {{ condition }} then '{{ (breach ~ violation) | replace("'", "''") }}'
                {%- endfor %}
                {%- endfor %}
                when false then ''
            end
            {%- endcall %}
            {%- if texts_of %},
            {% call(types) with_json_types(properties, texts_of | map(attribute='property')) -%}
            case
                {%- for rule in texts_of %}
                when {{ types[loop.index0] }} in ('OBJECT', 'ARRAY')
                    then '{{ event ~ ": " ~ rule["property"] ~ " is not text" }}'
                {%- endfor %}
            end
            {%- endcall %}
            {%- else %}, null
            {%- endif %}
        )
        {%- endif %}
    {%- endfor %}
    else 'unknown event'
end
{%- endif -%}
{%- endmacro %}

{#-
    Quality of an event's properties, one character for each property of its plan in the order of
    their names: `+` filled, `-` filled against the plan, `.` not filled. If a text is an object or
    array, as many characters follow again, with `-` for each of these. Null for an event that is
    not in the plan or has no properties.
-#}
{% macro plan_marks(plan, event_name, properties) %}
{%- set plan_rules = plan_rules(plan) -%}
case
    {%- for event, rules in plan_rules.items() if rules %}
    when {{ event_name }} = '{{ event }}'
        then
            {% call(texts) with_json_texts(properties, rules | map(attribute='property')) -%}
            {%- for rule in rules -%}
            {%- set text = texts[loop.index0] %}
            {{- '|| ' if not loop.first -}}
            case
                when {{ text }} is null then '.'
                {%- for condition, _ in broken_rules(rule, text) %}
                when {{ condition }} then '-'
                {%- endfor %}
                else '+'
            end
            {% endfor -%}
            {%- endcall %}
            || coalesce(nullif(
                {% call(types) with_json_types(properties, rules | map(attribute='property')) -%}
                {%- for rule in rules -%}
                {{- '|| ' if not loop.first -}}
                {%- if rule['type'] == 'text' -%}
                case when {{ types[loop.index0] }} in ('OBJECT', 'ARRAY') then '-' else '.' end
                {%- else -%}
                '.'
                {%- endif %}
                {% endfor -%}
                {%- endcall %},
                '{{ '.' * (rules | length) }}'
            ), '')
    {%- endfor %}
    when false then ''
end
{%- endmacro %}

{#- Hash of the seeds that decide which rows are events: the plan and the aliases. -#}
{% macro rules_version() %}
    {%- set seeds = {
        ref('tracking_plan'): [
            'event_name', 'property', 'property_type', 'is_required', 'allowed_values', 'pattern'
        ],
        ref('event_aliases'): ['alias', 'event_name'],
        ref('property_aliases'): ['source', 'event_name', 'alias', 'property', 'priority'],
    } -%}
    {{ return(seeds_version(seeds)) }}
{% endmacro %}
