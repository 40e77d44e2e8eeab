{#-
    Whether a time lies in the span of the instants of a query, each of them so long. The span is
    looked up when the model is compiled: literals let the warehouse skip what lies outside.
-#}
{% macro within(column, query, instant, length) -%}
    {%- set span -%}
        select
            min({{ instant }}) as first_at,
            max({{ instant }}) + interval '{{ length }}' as ended_at
        from ({{ query }}) as instants
        having count(*) > 0
    {%- endset -%}
    {%- set spans = run_query(span).rows if execute else [] -%}
    {%- if spans | length -%}
        {{ column }} >= timestamp '{{ spans[0][0] }}'
        and {{ column }} < timestamp '{{ spans[0][1] }}'
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}
