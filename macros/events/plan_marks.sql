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
