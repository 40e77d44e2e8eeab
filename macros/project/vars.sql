{#-
    Stops every command if a var has a value that `var_rules` does not allow, is missing, or is
    unknown in --vars. It is called in `on-run-start`, which dbt renders twice: when it parses, so
    that commands without hooks (compile, list) stop too, and when a run starts.
-#}
{% macro checked_vars() %}
    {%- set names = [] -%}
    {%- for path in var_rules() -%}
        {%- do names.append(path.split('.')[0]) -%}
    {%- endfor -%}
    {%- for name in invocation_args_dict.get('vars') or {} if name not in names -%}
        {{ exceptions.raise_compiler_error(
            'The var "' ~ name ~ '" in --vars is unknown. Did you mean "'
            ~ nearest_word(name | string, names | unique) ~ '"?'
        ) }}
    {%- endfor -%}
    {%- for name in names | unique -%}
        {%- do checked_var(name) -%}
    {%- endfor -%}
{% endmacro %}

{#- The value of a var; stops the command if `var_rules` does not allow it. -#}
{% macro checked_var(name) %}
    {%- if not var.has_var(name) -%}
        {{ exceptions.raise_compiler_error(
            'The var ' ~ name ~ ' is missing. Write it in dbt_project.yml, under `vars`.'
        ) }}
    {%- endif -%}
    {%- set value = var(name) -%}
    {%- set rules = {} -%}
    {%- for path, rule in var_rules().items() if path.split('.')[0] == name -%}
        {%- do rules.update({path: rule}) -%}
    {%- endfor -%}
    {%- set keys = rules | map('replace', name ~ '.', '') | list -%}
    {%- if name not in rules and (value is not mapping or value | list | sort != keys | sort) -%}
        {{ wrong_var(name, value, 'a value for each of ' ~ keys | join(', ') ~ ' and no other') }}
    {%- endif -%}
    {%- for path, rule in rules.items() -%}
        {%- set part = value if path == name else value[path.split('.')[1]] -%}
        {%- set expectation = var_expectation(part, rule[0], rule[1:]) -%}
        {%- if expectation -%}
            {{ wrong_var(path, part, expectation) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(value) }}
{% endmacro %}

{#- Stops the command: names a var or setting, its value, what to write and where. -#}
{% macro wrong_var(path, value, expectation) %}
    {%- set text = '"' ~ value ~ '"' if value is string else 'null' if value is none else value -%}
    {{ exceptions.raise_compiler_error(
        'The var ' ~ path ~ ' is ' ~ text ~ '. Write ' ~ expectation
        ~ ', in dbt_project.yml or with --vars.'
    ) }}
{% endmacro %}

{#-
    What to write instead of a value that breaks a rule of `var_rules`; empty if the value is
    allowed.
-#}
{% macro var_expectation(value, kind, arguments) %}
    {%- if kind in ['whole', 'number'] -%}
        {%- set least, most = arguments -%}
        {%- set is_of_kind = (value is integer) if kind == 'whole' else (value is number) -%}
        {%- if value is boolean or not is_of_kind or not value >= least
            or not (most is none or value <= most) -%}
            {%- set range = ('from ' ~ least ~ ' to ' ~ most) if most is not none else (
                'of ' ~ least ~ ' or more'
            ) -%}
            {{ return(
                ('a whole number ' if kind == 'whole' else 'a number ') ~ range ~ ', without quotes'
            ) }}
        {%- endif -%}
    {%- elif kind == 'boolean' -%}
        {%- if value is not boolean -%}
            {{ return('true or false, without quotes') }}
        {%- endif -%}
    {%- elif kind == 'timestamp' -%}
        {%- if value is not none and not is_timestamp(value | string) -%}
            {{ return(
                'null, or a timestamp in ISO 8601 from 1970 to 2999, such as 2026-11-20 or '
                ~ '2026-11-20T08:00:00Z'
            ) }}
        {%- endif -%}
    {%- elif kind == 'texts' -%}
        {%- set allowed = arguments | first if arguments else none -%}
        {%- set is_list = value is sequence and value is not string and value is not mapping -%}
        {%- if not is_list or value | reject('string') | list
            or (allowed and value | reject('in', allowed) | list) -%}
            {%- set example = [value] if value is string else allowed or ['page_ping'] -%}
            {{ return(
                'a list' ~ (' of ' ~ allowed | join(', ') if allowed else ' of event names')
                ~ ', such as [' ~ (allowed or example) | join(', ') ~ '], or []'
            ) }}
        {%- endif -%}
    {%- elif kind == 'sources' -%}
        {%- set words = [] -%}
        {%- for source, place in (value.items() if value is mapping else []) -%}
            {%- set is_list = place is sequence and place is not string and place is not mapping -%}
            {%- do words.extend([source] + (place or [none] if is_list else [place])) -%}
        {%- endfor -%}
        {%- if value is not mapping or words | reject('string') | list or '' in words -%}
            {{ return(
                'the place of each source, which is landing, a schema or a list of schemas, such '
                ~ 'as {stripe: landing, segment: [website, app]}, or {}'
            ) }}
        {%- endif -%}
    {%- else -%}
        {{ exceptions.raise_compiler_error('`var_rules` has the unknown kind "' ~ kind ~ '".') }}
    {%- endif -%}
    {{ return('') }}
{% endmacro %}

{#- Whether a text is a valid date or timestamp in ISO 8601, from 1970 to 2999. -#}
{% macro is_timestamp(text) %}
    {%- set shape = iso_8601('zoned') ~ '|' ~ iso_8601('unzoned') -%}
    {%- set year, month, day = text[:4] | int, text[5:7] | int, text[8:10] | int -%}
    {%- set is_leap_year = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) -%}
    {%- set days = [31, 29 if is_leap_year else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] -%}
    {{ return(
        modules.re.fullmatch(shape, text) is not none
        and 1970 <= year <= 2999
        and 1 <= month <= 12
        and 1 <= day <= days[month - 1]
        and not modules.re.search(':[6-9]|[+-](1[5-9]|[2-9][0-9])(:?[0-9]{2})?$', text[10:])
    ) }}
{% endmacro %}

{#- The values of the named list vars, as SQL literals. -#}
{% macro literals() -%}
    {%- set quoted = [] -%}
    {%- for name in varargs -%}
        {%- for text in checked_var(name) -%}
            {%- do quoted.append("'" ~ text | replace("'", "''") ~ "'") -%}
        {%- endfor -%}
    {%- endfor -%}
    {#- No event has an empty name. #}
    {{ quoted | join(', ') if quoted else "''" }}
{%- endmacro %}
