{#- Whether an event is of no traffic that the var `excluded_traffic` leaves out, as SQL. -#}
{% macro is_counted() %}
    {%- set columns = {'bot': 'is_bot', 'internal': 'is_internal'} -%}
    {%- set conditions = [] -%}
    {%- for traffic in var('excluded_traffic') -%}
        {%- if traffic not in columns -%}
            {{ exceptions.raise_compiler_error(
                'The var excluded_traffic names "' ~ traffic ~ '". Give a list of '
                ~ columns | join(', ') ~ ', or [] to leave nothing out.'
            ) }}
        {%- endif -%}
        {%- do conditions.append('not ' ~ columns[traffic]) -%}
    {%- endfor -%}
    {{ return(conditions | join(' and ') or 'true') }}
{% endmacro %}
