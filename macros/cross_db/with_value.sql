{% macro with_value(expression) -%}
    {{ return(adapter.dispatch('with_value', 'tideline')(expression, caller)) }}
{%- endmacro %}

{# A list of one row binds the value to a name. A column of a subquery does not: DuckDB writes its
   expression out wherever the column is used, and a hundred copies of a long one take seconds to plan. #}
{% macro duckdb__with_value(expression, body) -%}
    list_transform(
        [{{ expression }}],
        lambda bound: {{ body('bound') }}
    )[1]
{%- endmacro %}

{% macro snowflake__with_value(expression, body) -%}
    {{ body(expression) }}
{%- endmacro %}
