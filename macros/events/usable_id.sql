{#-
    An identifier, or null if it is blocklisted: a cookie `null` is not a stream. Brackets are
    ignored, since a seed can only say `(null)`: dbt reads a bare null as nothing. The listed values
    are one text to search, since warehouses run a long `not in` as a join; identifiers longer than
    all of them, even in two pairs of brackets (`[(null)]`), skip the search. The patterns of the
    blocklist are one regular expression.
-#}
{% macro usable_id(column, id_type, blocklist) %}
{%- set values = [] -%}
{%- for type, part, value in seed_rows(blocklist, ['id_type', 'part', 'value'])
    if type in ['*', id_type] and part == 'whole' -%}
    {%- do values.append(value.strip('()[]{}<>').replace("'", "''")) -%}
{%- endfor -%}
{%- set patterns = blocklist_patterns(blocklist)
    | selectattr('id_type', 'in', ['*', id_type]) | map(attribute='pattern') | list -%}
{%- if values or patterns -%}
{%- set longest = values | map('length') | max | default(0) -%}
{%- set listed = '|' ~ values | unique | join('|') ~ '|' -%}
case
    {%- if patterns %}
    when {{ matches_whole('lower(' ~ column ~ ')', patterns | join('|')) }} then null
    {%- endif %}
    when length({{ column }}) > {{ longest + 4 }} then {{ column }}
    when position('|' || {{ blocklist_text(column) }} || '|' in '{{ listed }}') = 0
        then {{ column }}
end
{%- else -%}
{{ column }}
{%- endif -%}
{% endmacro %}
