{#- Hash of the seeds that decide which rows are events: the plan and the aliases. -#}
{% macro rules_version() %}
    {%- set seeds = {
        ref('tracking_plan'): [
            'event_name', 'property', 'property_type', 'is_required', 'allowed_values', 'pattern'
        ],
        ref('event_aliases'): ['alias', 'event_name'],
        ref('property_aliases'): ['source', 'event_name', 'alias', 'property', 'priority'],
    } -%}
    {%- set rows = [] -%}
    {%- for seed, columns in seeds.items() -%}
        {%- do rows.extend(seed_rows(seed, columns) | map('join', '|') | sort) -%}
    {%- endfor -%}
    {{ return(local_md5(rows | join('; '))) }}
{% endmacro %}
