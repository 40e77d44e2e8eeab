{% macro in_transaction(statements) -%}
    {{ return(adapter.dispatch('in_transaction', 'tideline')(statements)) }}
{%- endmacro %}

{#- dbt has already begun a transaction. -#}
{% macro default__in_transaction(statements) -%}
    {{ return(statements) }}
{%- endmacro %}

{% macro snowflake__in_transaction(statements) -%}
    {{ return(snowflake_dml_explicit_transaction(statements)) }}
{%- endmacro %}
