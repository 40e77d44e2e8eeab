{#-
    Brings a warehouse of an earlier release over, by `dbt run-operation move_former_tables`: each
    table goes to its home of today with its rows, each view goes, as the next build makes it. One
    table at a time, all of it or nothing, so that a second call ends what a first could not.
-#}
{% macro move_former_tables() %}
    {%- set moved = namespace(tables=0) -%}
    {%- for former in former_tables() -%}
        {%- do adapter.create_schema(former.home.without_identifier()) -%}
        {%- if former.relation.is_view -%}
            {%- do adapter.drop_relation(former.relation) -%}
        {%- elif load_relation(former.home) -%}
            {{ exceptions.raise_compiler_error(
                'Both ' ~ former.relation ~ ' and ' ~ former.home ~ ' are there, and one would '
                ~ 'take the place of the other. Drop the one that you do not want and run this '
                ~ 'again.'
            ) }}
        {%- else -%}
            {%- do move_table(former.relation, former.home) -%}
            {%- set moved.tables = moved.tables + 1 -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do log(
        moved.tables ~ ' tables moved. `dbt build` makes the views anew.' if moved.tables
        else 'No table of an earlier release is left in ' ~ target.schema ~ '.', info=true
    ) -%}
{% endmacro %}
