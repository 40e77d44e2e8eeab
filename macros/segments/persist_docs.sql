{#-
    Overrides dbt's own: what is documented and not there, because the var `shop` is false, is left
    out, as dbt would warn of it in each run.
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
