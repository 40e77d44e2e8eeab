{#- Stops a run on a warehouse that was built when all tables stood in one schema. -#}
{% macro checked_layout() %}
    {%- set former = former_tables() if execute else [] -%}
    {%- if former -%}
        {{ exceptions.raise_compiler_error(
            'This warehouse was built by an earlier release: ' ~ former | length ~ ' tables and '
            ~ 'views, such as ' ~ former[0].relation ~ ', belong in the schema '
            ~ former[0].home.schema ~ ' now. Run `dbt run-operation move_former_tables` once, '
            ~ 'which keeps all that was built; then run this again. Nothing was changed.'
        ) }}
    {%- endif -%}
{% endmacro %}
