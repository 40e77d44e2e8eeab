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
