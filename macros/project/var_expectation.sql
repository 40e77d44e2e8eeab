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
