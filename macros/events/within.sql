{#-
    Whether a time is between the first and last instant of the spans of a query. They are looked up
    at compile time, since literals let the warehouse skip other rows.
-#}
{% macro within(column, query, from_at, until_at) -%}
    {%- set span -%}
        select
            min({{ from_at }}) as first_at,
            max({{ until_at }}) as last_at
        from ({{ query }}) as spans
        having count(*) > 0
    {%- endset -%}
    {%- set spans = run_query(span).rows if execute else [] -%}
    {%- if spans | length -%}
        {{ column }} >= timestamp '{{ spans[0][0] }}'
        and {{ column }} <= timestamp '{{ spans[0][1] }}'
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}
