{#-
    Migrates a warehouse of an earlier release, by `dbt run-operation move_former_tables`: moves
    each table with its rows to its current home and drops each view, which the next build
    recreates. One at a time, so that a second call can finish what the first could not.
    `dim_profiles.email` gets its current name, `latest_email`.
-#}
{% macro move_former_tables() %}
    {%- set former = former_tables() -%}
    {%- for each in former if not each.relation.is_view and load_relation(each.home) -%}
        {{ exceptions.raise_compiler_error(
            'Both ' ~ each.relation ~ ' and ' ~ each.home ~ ' exist, and one would replace the '
            ~ 'other. Drop the one that you do not want, then run this again.'
        ) }}
    {%- endfor -%}
    {#- First, as a build accepts the warehouse once the last table has moved. -#}
    {%- do rename_former_email() -%}
    {%- for each in former -%}
        {%- do adapter.create_schema(each.home.without_identifier()) -%}
        {%- do take_home(each.relation, each.home) -%}
    {%- endfor -%}
    {%- do log(
        'Moved ' ~ former | length ~ ' tables and views of an earlier release out of '
        ~ target.schema ~ '. Run `dbt build`.', info=true
    ) -%}
{% endmacro %}

{#- Renames a column whose rows an incremental build keeps; a new one would be null in them. -#}
{% macro rename_former_email() %}
    {%- set profiles = adapter.get_relation(target.database, target.schema, 'dim_profiles') -%}
    {%- if profiles -%}
        {%- set columns = adapter.get_columns_in_relation(profiles)
            | map(attribute='name') | map('lower') | list -%}
        {%- if 'email' in columns and 'latest_email' not in columns -%}
            {%- call statement('rename_former_email', auto_begin=true) -%}
                alter table {{ profiles }} rename column email to latest_email;
                commit;
                begin
            {%- endcall -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
