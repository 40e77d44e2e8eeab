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
