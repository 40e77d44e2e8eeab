{#- Whether the var `excluded_traffic` does not exclude an event, as SQL. -#}
{% macro is_counted() %}
    {%- set columns = {'bot': 'is_bot', 'internal': 'is_internal'} -%}
    {%- set conditions = [] -%}
    {%- for traffic in checked_var('excluded_traffic') -%}
        {%- do conditions.append('not ' ~ columns[traffic]) -%}
    {%- endfor -%}
    {{ return(conditions | join(' and ') or 'true') }}
{% endmacro %}
