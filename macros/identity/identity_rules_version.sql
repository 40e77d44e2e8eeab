{#- Hash of the seeds that decide who is one person. -#}
{% macro identity_rules_version() %}
    {%- set seeds = {
        ref('identifier_rules'): [
            'id_type', 'priority', 'is_unique_per_profile', 'is_lower_cased', 'is_gmail_folded'
        ],
        ref('identifier_blocklist'): ['id_type', 'part', 'value', 'reason'],
        ref('identifier_limits'): ['id_type', 'max_per_profile'],
        ref('identity_exclusions'): [
            'left_type', 'left_value', 'right_type', 'right_value', 'reason'
        ],
    } -%}
    {%- set rows = [] -%}
    {%- for seed, columns in seeds.items() -%}
        {%- do rows.extend(seed_rows(seed, columns) | map('join', '|') | sort) -%}
    {%- endfor -%}
    {{ return(local_md5(rows | join('; '))) }}
{% endmacro %}
