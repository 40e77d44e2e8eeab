{#- Divides the selects of a model. A form feed is in no declaration, so in none of its texts. -#}
{% macro next_select() %}{{ return(';\f') }}{% endmacro %}

{#
    An incremental model of several selects, divided by `next_select`, which are written one after
    the other: so memory holds the work of one, and no statement is too large for the warehouse.
#}
{% materialization selects, default %}
    {%- set rows = components_table('rows') -%}
    {%- for select in compiled_code.split(next_select()) -%}
        {%- if loop.first -%}
            {%- do run_query(components_write(rows, select)) -%}
        {%- else -%}
            {%- do run_query('insert into ' ~ rows ~ ' ' ~ select) -%}
        {%- endif -%}
    {%- endfor -%}
    {#- From here on dbt handles hooks, grants, docs and the swap as for any incremental model. -#}
    {%- set found = 'select * from ' ~ rows -%}
    {%- do context.update({'compiled_code': found, 'sql': found}) -%}
    {%- set name = 'materialization_incremental_' -%}
    {%- set write = context.get(name ~ adapter.type()) or context[name ~ 'default'] -%}
    {%- set relations = write() -%}
    {%- do run_query('drop table ' ~ rows) -%}
    {{ return(relations) }}
{% endmaterialization %}
