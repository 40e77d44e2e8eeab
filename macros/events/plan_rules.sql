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
