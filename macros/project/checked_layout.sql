{#- Stops a run on a warehouse that was built when all tables were in one schema. -#}
{% macro checked_layout() %}
    {%- set former = former_tables() if execute else [] -%}
    {%- if former -%}
        {{ exceptions.raise_compiler_error(
            'This warehouse was built by an earlier release: ' ~ former | length ~ ' tables and '
            ~ 'views, such as ' ~ former[0].relation ~ ', now belong in the schema '
            ~ former[0].home.schema ~ '. Run `dbt run-operation move_former_tables` once, which '
            ~ 'keeps all built rows, then run this again. Nothing was changed.'
        ) }}
    {%- endif -%}
{% endmacro %}
