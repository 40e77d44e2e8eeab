{#-
    The seed `attribute_rules` as a list of rows, each with `event_name`, `path`, `part` (the column
    of the events that the path begins with), `key` (the rest) and, for an identifier, `id_rule`, as
    `identifier_text` needs it. An invalid row stops the build with the fix.
-#}
{% macro attribute_rules(rules, plan, identifier_rules) %}
    {%- set id_rules = {} -%}
    {%- for rule in seed_rows(
        identifier_rules, ['id_type', 'is_lower_cased', 'is_gmail_folded']
    ) -%}
        {%- do id_rules.update({rule[0]: rule}) -%}
    {%- endfor -%}
    {%- set known = {
        'source': ['*'] + known_sources(),
        'event_name': ['*'] + seed_rows(plan, ['event_name']) | map('first') | unique | list,
        'survivor': ['latest', 'first'],
        'path': ['properties', 'context', 'identifiers'],
        'type of identifier': id_rules | list,
    } -%}
    {%- set columns = ['attribute', 'source', 'event_name', 'path', 'priority', 'survivor'] -%}
    {%- set found, survivors = [], {} -%}
    {%- for attribute, source, event_name, path, priority, survivor in seed_rows(rules, columns) -%}
        {%- set row = 'seeds/attribute_rules.csv: ' ~ [attribute, source, event_name, path]
            | join(',') ~ ': the ' -%}
        {%- do checked_seed_text(row ~ 'path', path, 'Write keys joined by dots.') -%}
        {%- set part, key = ((path or '') ~ '.').split('.', 1) -%}
        {%- set words = {
            'source': source, 'event_name': event_name, 'survivor': survivor, 'path': part
        } -%}
        {%- if part == 'identifiers' -%}
            {%- do words.update({'type of identifier': key.rstrip('.')}) -%}
        {%- endif -%}
        {%- for what, word in words.items() if word not in known[what] -%}
            {{ exceptions.raise_compiler_error(
                row ~ what ~ ' "' ~ (word or '') ~ '" is unknown. Did you mean "'
                ~ nearest_word(word or '', known[what]) ~ '"?'
            ) }}
        {%- endfor -%}
        {%- if not modules.re.fullmatch('[a-z][a-z0-9_]*', attribute or '')
            or attribute == 'profile_id' -%}
            {{ exceptions.raise_compiler_error(
                row ~ 'attribute "' ~ (attribute or '') ~ '" cannot be a column of '
                ~ 'golden_profiles. Use a snake_case name other than profile_id.'
            ) }}
        {%- elif not key.rstrip('.') -%}
            {{ exceptions.raise_compiler_error(
                row ~ 'path has no key. Write ' ~ part ~ '.<key>.'
            ) }}
        {%- elif priority is none -%}
            {{ exceptions.raise_compiler_error(row ~ 'priority is empty. Write 1, 2, ...') }}
        {%- elif survivors.setdefault((attribute, priority), survivor) != survivor -%}
            {{ exceptions.raise_compiler_error(
                row ~ 'survivor is "' ~ survivor ~ '", but another row of priority ' ~ priority
                ~ ' has "' ~ survivors[(attribute, priority)] ~ '". Use the same in both.'
            ) }}
        {%- endif -%}
        {%- set key = key.rstrip('.') -%}
        {%- do found.append({
            'event_name': event_name, 'path': path, 'part': part, 'key': key,
            'id_rule': id_rules.get(key),
        }) -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{#-
    The order of the statements about an attribute of a profile; the first one wins. It depends on
    no other statement, so what wins at an instant is the first of those up to it. Rows of the same
    priority have the same survivor; the rest breaks ties between equal instants.
-#}
{% macro attribute_precedence() %}
priority asc,
case when survivor = 'latest' then occurred_at end desc,
case when survivor = 'latest' then received_at end desc,
occurred_at asc,
received_at asc,
value asc,
event_id asc
{% endmacro %}
