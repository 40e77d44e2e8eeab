{#- Whether a table has rows that meet a condition, looked up at compile time. -#}
{% macro has_rows(relation, condition) %}
    {%- if not execute -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set query -%}
        select 1 as found from {{ relation }} where {{ condition }} limit 1
    {%- endset -%}
    {{ return(run_query(query).rows | length > 0) }}
{% endmacro %}
