{#-
    Migrates a warehouse of an earlier release, by `dbt run-operation move_former_tables`: moves
    each table with its rows to its current home and drops each view, which the next build
    recreates. One at a time, so that a second call can finish what the first could not.
-#}
{% macro move_former_tables() %}
    {%- set former = former_tables() -%}
    {%- for each in former if not each.relation.is_view and load_relation(each.home) -%}
        {{ exceptions.raise_compiler_error(
            'Both ' ~ each.relation ~ ' and ' ~ each.home ~ ' exist, and one would replace the '
            ~ 'other. Drop the one that you do not want, then run this again.'
        ) }}
    {%- endfor -%}
    {%- for each in former -%}
        {%- do adapter.create_schema(each.home.without_identifier()) -%}
        {%- do take_home(each.relation, each.home) -%}
    {%- endfor -%}
    {%- do log(
        'Moved ' ~ former | length ~ ' tables and views of an earlier release out of '
        ~ target.schema ~ '. Run `dbt build`.', info=true
    ) -%}
{% endmacro %}
