{#-
    The tracking plan as a mapping of event names to their rules, one per property, each with its
    `property`, `type`, `is_required`, `allowed` (a list) and `pattern`.
-#}
{% macro plan_rules(plan) %}
    {%- set columns = [
        'event_name', 'property', 'property_type', 'is_required', 'allowed_values', 'pattern'
    ] -%}
    {%- set rules = {} -%}
    {%- for event, property, type, is_required, allowed, pattern in seed_rows(plan, columns) -%}
        {%- set of_event = rules.setdefault(event, []) -%}
        {%- if property -%}
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
