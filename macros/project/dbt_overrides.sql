{#-
    Overrides dbt's own: leaves out documented columns that do not exist because the var `shop` is
    false, since dbt would warn of them in each run.
-#}
{% macro persist_docs(relation, model, for_relation=true, for_columns=true) %}
    {%- set columns = {} -%}
    {%- for name, column in model.columns.items() if var('shop') or not is_of_shop(column) -%}
        {%- do columns.update({name: column}) -%}
    {%- endfor -%}
    {%- do adapter.dispatch('persist_docs', 'dbt')(
        relation, dict(model, columns=columns), for_relation, for_columns
    ) -%}
{% endmacro %}

{#-
    Overrides dbt's own: a snapshot closes ended rows at the data clock, not at the wall clock. (A
    ref is not allowed here; the snapshot runs after the memberships, and they after the clock.)
-#}
{% macro default__snapshot_get_time() -%}
    (select as_of from {{ graph.nodes['model.' ~ project_name ~ '.data_clock'].relation_name }})
{%- endmacro %}
{#- Whether a documented column exists only if the var `shop` is true. -#}
{% macro is_of_shop(column) %}
    {{ return(column_meta(column).get('shop', false)) }}
{% endmacro %}

{#- The `config.meta` of a documented column. -#}
{% macro column_meta(column) %}
    {{ return(column.get('config', {}).get('meta', {}) or column.get('meta', {})) }}
{% endmacro %}
