{#- Whether an event is of no traffic that the var `excluded_traffic` leaves out, as SQL. -#}
{% macro is_counted() %}
    {%- set columns = {'bot': 'is_bot', 'internal': 'is_internal'} -%}
    {%- set conditions = [] -%}
    {%- for traffic in checked_var('excluded_traffic') -%}
        {%- do conditions.append('not ' ~ columns[traffic]) -%}
    {%- endfor -%}
    {{ return(conditions | join(' and ') or 'true') }}
{% endmacro %}
