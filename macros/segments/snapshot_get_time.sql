{#-
    Overrides dbt's own: a snapshot closes ended rows at the data clock, not at the wall clock. (A
    ref is not allowed here; the snapshot runs after the memberships, and they after the clock.)
-#}
{% macro default__snapshot_get_time() -%}
    (select as_of from {{ graph.nodes['model.' ~ project_name ~ '.data_clock'].relation_name }})
{%- endmacro %}
