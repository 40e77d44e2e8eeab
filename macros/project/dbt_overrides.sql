{#-
    Overrides dbt's own: adds the declared columns, and leaves out documented columns that do not
    exist because the var `shop` is false, since dbt would warn of them in each run.
-#}
{% macro persist_docs(relation, model, for_relation=true, for_columns=true) %}
    {%- set columns = {} -%}
    {%- for name, column in model.columns.items() if var('shop') or not is_of_shop(column) -%}
        {%- do columns.update({name: column}) -%}
    {%- endfor -%}
    {%- do columns.update(declared_columns(model.name)) -%}
    {%- do adapter.dispatch('persist_docs', 'dbt')(
        relation, dict(model, columns=columns), for_relation, for_columns
    ) -%}
{% endmacro %}

{#-
    Overrides that of dbt-duckdb, which looks the columns up twice and comments in two queries: for
    a model on few events that is as long as to build it.
-#}
{% macro duckdb__persist_docs(relation, model, for_relation, for_columns) %}
    {%- set comments = [] -%}
    {%- if for_relation and config.persist_relation_docs() and model.description -%}
        {%- do comments.append(alter_relation_comment(relation, model.description)) -%}
    {%- endif -%}
    {%- if for_columns and config.persist_column_docs() and model.columns -%}
        {%- set existing = adapter.get_columns_in_relation(relation) | map(attribute='name') -%}
        {%- set columns = validate_doc_columns(relation, model.columns, existing | list) -%}
        {%- for name, column in columns.items() -%}
            {%- set place = relation ~ '.' ~ (adapter.quote(name) if column.quote else name) -%}
            {%- set comment = duckdb_escape_comment(column.description) -%}
            {%- do comments.append('comment on column ' ~ place ~ ' is ' ~ comment ~ ';') -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if comments -%}
        {%- do run_query(comments | join('\n')) -%}
    {%- endif -%}
{% endmacro %}

{#-
    The declared columns of a table, as dbt lists documented columns: {name: {name, description,
    quote}}. dbt does not read the declarations, and `persist_docs` makes comments of these.
-#}
{% macro declared_columns(table) %}
    {%- set found = {} -%}
    {%- if table == 'profile_segments' -%}
        {%- for segment in live_segments() -%}
            {%- do found.update({segment.name: segment.spec.description}) -%}
        {%- endfor -%}
    {%- elif table in ('profile_traits', 'profile_attributes') -%}
        {%- for trait in declared_traits() -%}
            {%- do found.update({trait.name: trait.spec.description}) -%}
        {%- endfor -%}
    {%- elif table == 'trait_readings' -%}
        {%- for trait in read_traits() -%}
            {%- do found.update({trait.name: trait.spec.description}) -%}
            {%- if trait.spec.until -%}
                {%- do found.update({
                    '_ends_' ~ trait.name: '1 if it ends the counting of ' ~ trait.name ~ '.',
                    '_until_' ~ trait.name: 'When the counting of this event for ' ~ trait.name
                        ~ ' ends (UTC).',
                }) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- elif table == 'activation_audiences' -%}
        {%- for trait in declared_traits() if trait.spec.sent_as -%}
            {%- do found.update({trait.spec.sent_as: trait.spec.description}) -%}
        {%- endfor -%}
        {%- if experiments_with_texts() -%}
            {%- do found.update({'arm': 'The arm of the running experiment, if there is one.'}) -%}
        {%- endif -%}
    {%- endif -%}
    {%- if table in ('activation_audiences', 'activation_profiles') -%}
        {%- for column in creative_columns() -%}
            {%- do found.update({column.name: column.description}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set columns = {} -%}
    {%- for name, description in found.items() -%}
        {%- do columns.update({
            name: {'name': name, 'description': description, 'quote': none}
        }) -%}
    {%- endfor -%}
    {{ return(columns) }}
{% endmacro %}

{#-
    Overrides that of dbt-snowflake, which comments the columns of a view when it creates the view:
    adds the declared columns.
-#}
{% macro get_persist_docs_column_list(model_columns, query_columns) %}
    {%- set columns = dict(model_columns, **declared_columns(model.name)) -%}
    (
        {%- for column in query_columns %}
        {{ get_column_comment_sql(column, columns) }}{{ ',' if not loop.last }}
        {%- endfor %}
    )
{% endmacro %}

{#-
    Overrides dbt's own: a snapshot opens and closes rows at the data clock, not at the wall clock.
    If the clock has not passed the latest change of the history, because no event has arrived or a
    landing was taken back, the time is a microsecond after that change: each row lasts, and no two
    rows of a membership begin at one time. (A ref is not allowed here; the snapshot runs after the
    memberships, and they after the clock.)
-#}
{% macro default__snapshot_get_time() -%}
    {%- set clock = graph.nodes['model.' ~ project_name ~ '.data_clock'].relation_name -%}
    (
        select
            {%- if load_relation(this) %}
            greatest(as_of, coalesce(
                (
                    select max(coalesce(dbt_valid_to, dbt_valid_from)) + interval '1 microsecond'
                    from {{ this }}
                ),
                as_of
            ))
            {%- else %}
            as_of
            {%- endif %}
        from {{ clock }}
    )
{%- endmacro %}
{#- Whether a documented column exists only if the var `shop` is true. -#}
{% macro is_of_shop(column) %}
    {{ return(column_meta(column).get('shop', false)) }}
{% endmacro %}

{#- The `config.meta` of a documented column. -#}
{% macro column_meta(column) %}
    {{ return(column.get('config', {}).get('meta', {}) or column.get('meta', {})) }}
{% endmacro %}
