{% macro count_distinct_rare(column) -%}
    {{ return(adapter.dispatch('count_distinct_rare', 'tideline')(column)) }}
{%- endmacro %}

{#
    `count(distinct)` there would pass every row, null or not, through another table of the groups.
#}
{% macro duckdb__count_distinct_rare(column) -%}
    coalesce(len(list_distinct(list({{ column }}) filter (where {{ column }} is not null))), 0)
{%- endmacro %}

{% macro snowflake__count_distinct_rare(column) -%}
    count(distinct {{ column }})
{%- endmacro %}
