{#- Whether an event is of the traffic that the var `excluded_traffic` leaves out, as SQL. -#}
{% macro excluded_traffic() %}
    {%- set columns = {'bot': 'is_bot', 'internal': 'is_internal'} -%}
    {%- set found = [] -%}
    {%- for traffic in var('excluded_traffic') -%}
        {%- if traffic not in columns -%}
            {{ exceptions.raise_compiler_error(
                'The var excluded_traffic names "' ~ traffic ~ '". Give a list of '
                ~ columns | join(', ') ~ ', or [] to leave nothing out.'
            ) }}
        {%- endif -%}
        {%- do found.append(columns[traffic]) -%}
    {%- endfor -%}
    {{ return('(' ~ found | join(' or ') ~ ')' if found else 'false') }}
{% endmacro %}
