{#-
    A segment's rule. Each word in it must be a column of `profile_attributes` or a word of SQL;
    otherwise the build stops and names the segment, the word and the nearest known one.
-#}
{% macro checked_rule(segment, attributes) %}
    {%- set what = 'Segment "' ~ segment.name ~ '"' -%}
    {%- set sql_words = [
        'and', 'or', 'not', 'is', 'null', 'true', 'false', 'in', 'like', 'between', 'case', 'when',
        'then', 'else', 'end', 'interval', 'cast', 'as', 'date', 'timestamp', 'coalesce', 'nullif',
        'lower', 'upper', 'abs', 'round', 'double', 'varchar', 'distinct', 'from',
    ] -%}
    {%- do checked_keys(
        what, segment.spec, ['rule', 'label', 'owner', 'priority'], ['creative']
    ) -%}
    {%- if not modules.re.fullmatch('[a-z][a-z0-9_]*', segment.name) -%}
        {{ exceptions.raise_compiler_error(
            what ~ ' has an invalid name. Use lower-case letters, digits and underscores.'
        ) }}
    {%- elif segment.spec.rule is not string or segment.spec.label is not string -%}
        {{ exceptions.raise_compiler_error(
            what ~ ' has a rule or a label that is not text. Put both in quotes.'
        ) }}
    {%- elif segment.spec.priority is not integer -%}
        {{ exceptions.raise_compiler_error(what ~ ' has a priority that is not a whole number.') }}
    {%- endif -%}
    {%- for word in rule_words(segment.spec.rule) + label_words(segment.spec.label) -%}
        {%- if attributes and word not in attributes and word not in sql_words -%}
            {{ exceptions.raise_compiler_error(
                what ~ ' references unknown column "' ~ word ~ '": profile_attributes has no such '
                ~ 'trait, feature, score or persona. Did you mean "'
                ~ nearest_word(word, attributes) ~ '"?'
                ~ (' The var shop is false: the traits of the shop are off.' if not var('shop'))
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(segment.spec.rule | trim) }}
{% endmacro %}

{#- The words of a rule outside its text literals, lower-cased. -#}
{% macro rule_words(rule) %}
    {{ return(modules.re.findall(
        '[a-z_][a-z0-9_]*', modules.re.sub("'[^']*'", '', rule) | lower
    )) }}
{% endmacro %}

{#- The columns that a segment may reference: those of `profile_attributes`, lower-cased. -#}
{% macro attribute_names(relation) %}
    {%- if not execute or not relation.schema or not load_relation(relation) -%}
        {{ return([]) }}
    {%- endif -%}
    {{ return(
        adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list
    ) }}
{% endmacro %}

{#- Segments by priority; stops the build if two share one. -#}
{% macro segments_by_priority(segments) %}
    {%- set taken = {} -%}
    {%- for segment in segments -%}
        {%- set other = taken.setdefault(segment.spec.priority, segment.name) -%}
        {%- if other != segment.name -%}
            {{ exceptions.raise_compiler_error(
                'Segments "' ~ other ~ '" and "' ~ segment.name ~ '" share the priority '
                ~ segment.spec.priority ~ '. Give each its own priority.'
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(segments | sort(attribute='spec.priority')) }}
{% endmacro %}

{#- A label such as `New prospect – {top_category}` as an SQL text expression. -#}
{% macro label_expression(label) %}
    {%- set parts = [] -%}
    {%- for part in modules.re.split('(\\{\\w+\\})', label) if part -%}
        {%- if part[0] == '{' -%}
            {%- do parts.append("coalesce(cast(" ~ part[1:-1] ~ " as varchar), 'unknown')") -%}
        {%- else -%}
            {%- do parts.append("'" ~ part.replace("'", "''") ~ "'") -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(parts | join(' || ')) }}
{% endmacro %}

{#- The columns that a label quotes in braces. -#}
{% macro label_words(label) %}
    {{ return(modules.re.findall('\\{(\\w+)\\}', label)) }}
{% endmacro %}
