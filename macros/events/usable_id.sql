{#-
    An identifier unless the blocklist says that it is nobody's: a cookie `null` is no stream.
    Brackets do not count: a seed can only say `(null)`, since dbt reads a bare null as nothing.
-#}
{% macro usable_id(column, id_type, blocklist) %}
{%- set values = [] -%}
{%- for type, part, value in seed_rows(blocklist, ['id_type', 'part', 'value'])
    if type in ['*', id_type] and part == 'whole' -%}
    {%- do values.append("'" ~ value.strip('()[]{}<>').replace("'", "''") ~ "'") -%}
{%- endfor -%}
{%- if values -%}
case
    when
        {{ blocklist_text(column) }} not in (
            {{ values | unique | join(', ') }}
        )
        then {{ column }}
end
{%- else -%}
{{ column }}
{%- endif -%}
{% endmacro %}
