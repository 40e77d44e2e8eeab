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

{#-
    The rows of the blocklist that are patterns, each with its `id_type`, `pattern` and `reason`. An
    invalid regular expression stops the build.
-#}
{% macro blocklist_patterns(blocklist) %}
{%- set columns = ['id_type', 'part', 'value', 'reason', is_pattern('value')] -%}
{%- set patterns = [] -%}
{%- for id_type, part, value, reason, is_pattern in seed_rows(blocklist, columns)
    if part == 'pattern' -%}
    {%- set row = 'seeds/identifier_blocklist.csv: the ' ~ id_type ~ ' pattern' -%}
    {%- do checked_seed_text(row, value, 'Write [.] for a dot, . for a quote.') -%}
    {%- if not is_pattern -%}
        {{ exceptions.raise_compiler_error(
            row ~ ' "' ~ value ~ '" is not a valid regular expression. Close its brackets, write '
            ~ '[+] for a plus, and do not use look-ahead.'
        ) }}
    {%- endif -%}
    {%- do patterns.append({'id_type': id_type, 'pattern': value, 'reason': reason}) -%}
{%- endfor -%}
{{ return(patterns) }}
{% endmacro %}

{#-
    An identifier in the form that is compared with the blocklist, without case and without brackets
    if it begins with one. Other identifiers skip `translate`, which reads each character.
-#}
{% macro blocklist_text(column) -%}
    case
        when left({{ column }}, 1) in ('(', '[', '{', '<')
            then translate(lower({{ column }}), '()[]{}<>', '')
        else lower({{ column }})
    end
{%- endmacro %}
