{#-
    The maximum number of events of a person's stream in one calendar minute: the lowest in the seed
    `traffic_rules`, or more than possible without a rule.
-#}
{% macro events_per_minute(rules) %}
    {%- set limits = [] -%}
    {%- for traffic, part, value in seed_rows(rules, ['traffic', 'part', 'value'])
        if part == 'events_per_minute' -%}
        {%- if traffic != 'bot' or not modules.re.fullmatch('[1-9][0-9]{0,8}', value) -%}
            {{ exceptions.raise_compiler_error(
                'seeds/traffic_rules.csv: the ' ~ traffic ~ ' events_per_minute "' ~ value
                ~ '" must be a whole number from 1 to 999999999, and its traffic must be bot.'
            ) }}
        {%- endif -%}
        {%- do limits.append(value | int) -%}
    {%- endfor -%}
    {{ return((limits or [1000000000]) | min) }}
{% endmacro %}
