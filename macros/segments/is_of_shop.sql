{#- Whether a documented column exists only if the var `shop` is true. -#}
{% macro is_of_shop(column) %}
    {{ return(column_meta(column).get('shop', false)) }}
{% endmacro %}

{#- The `config.meta` of a documented column. -#}
{% macro column_meta(column) %}
    {{ return(column.get('config', {}).get('meta', {}) or column.get('meta', {})) }}
{% endmacro %}
