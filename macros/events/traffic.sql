{#-
    Whether an event matches the row rules of the seed `traffic_rules` (user agent, IP address) for
    this kind of traffic, as SQL that is never null. Each plain-text pattern costs one search, all
    others together one regular expression, and ranges one each for IPv4 and IPv6.
-#}
{% macro traffic_by_row(traffic, rules, user_agent, ip) %}
{#- A character in brackets, such as [.], is that character. -#}
{%- set plain = '([A-Za-z0-9 /_;:,@=!<>-]|\\[[.+*?()|$]\\])+' -%}
{%- set words, patterns, ipv4, ipv6, checks = [], [], [], [], [] -%}
{%- for kind, part, value in seed_rows(rules, ['traffic', 'part', 'value'])
    if kind == traffic -%}
    {%- if part == 'user_agent' -%}
        {%- do checked_seed_text(
            'seeds/traffic_rules.csv: the ' ~ traffic ~ ' user_agent',
            value,
            'Write [.] for a dot, . for a quote.'
        ) -%}
    {%- endif -%}
    {%- if part == 'user_agent' and modules.re.fullmatch(plain, value) -%}
        {%- do words.append(modules.re.sub('[\\[\\]]', '', value).lower()) -%}
    {%- elif part == 'user_agent' -%}
        {%- do patterns.append(value) -%}
    {%- elif part == 'ip_range' -%}
        {%- do (ipv6 if ':' in value else ipv4).append(ip_range_pattern(value)) -%}
    {%- endif -%}
{%- endfor -%}
{%- if words -%}
    {%- set found = [] -%}
    {%- for word in words -%}
        {%- do found.append('contains(lower(' ~ user_agent ~ "), '" ~ word ~ "')") -%}
    {%- endfor -%}
    {%- do checks.append(found | join('\n    or ')) -%}
{%- endif -%}
{%- if patterns -%}
    {%- do checks.append(matches(user_agent, patterns | join('|'))) -%}
{%- endif -%}
{%- if ipv4 -%}
    {%- do checks.append(matches_whole(ip, '(::[fF]{4}:)?(' ~ ipv4 | join('|') ~ ')')) -%}
{%- endif -%}
{%- if ipv6 -%}
    {%- do checks.append(matches_whole(ipv6_digits(ip), ipv6 | join('|'))) -%}
{%- endif -%}
{%- if checks -%}
coalesce(
    {{ checks | join('\n    or ') }},
    false
)
{%- else -%}
false
{%- endif -%}
{%- endmacro %}

{#-
    A range of addresses in CIDR notation as a regular expression: for IPv4 over the address, for
    IPv6 over its 32 digits (`ipv6_digits`). An invalid range stops the build.

    Each octet or digit of the range is fixed, free, or, where the prefix ends, one of a run of
    values: 10.1.16.0/20 is 10, 1, 16 to 31, any.
-#}
{% macro ip_range_pattern(cidr) %}
    {%- set octet = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])' -%}
    {%- set is_ipv6 = ':' in cidr -%}
    {%- set base = 16 if is_ipv6 else 10 -%}
    {%- set width = 4 if is_ipv6 else 8 -%}
    {%- set places = 32 if is_ipv6 else 4 -%}
    {%- set address, slash, length = cidr.partition('/') -%}
    {%- set is_address = modules.re.fullmatch(
        ipv6_pattern() if is_ipv6 else '(' ~ octet ~ '[.]){3}' ~ octet, address
    ) -%}
    {%- if not is_address or not modules.re.fullmatch('0|[1-9][0-9]{0,2}', length)
        or length | int > width * places -%}
        {{ exceptions.raise_compiler_error(
            'seeds/traffic_rules.csv: the ip_range "' ~ cidr ~ '" is not a valid address '
            ~ 'range. Write 203.0.113.0/24 or 2001:db8::/32; for one address, 203.0.113.7/32.'
        ) }}
    {%- endif -%}
    {%- if is_ipv6 -%}
        {%- set filled = address.replace('::', ':' ~ '0:' * (8 - address.count(':'))) -%}
        {%- set values = [] -%}
        {%- for group in filled.lower().split(':') -%}
            {%- do values.extend(('0000' ~ group)[-4:] | list) -%}
        {%- endfor -%}
    {%- else -%}
        {%- set values = address.split('.') -%}
    {%- endif -%}
    {%- set parts = [] -%}
    {%- for text in values -%}
        {%- set free = [[width * loop.index - length | int, 0] | max, width] | min -%}
        {%- set first, run = text | int(base=base), 2 ** free -%}
        {%- if first % run -%}
            {{ exceptions.raise_compiler_error(
                'seeds/traffic_rules.csv: the ip_range "' ~ cidr ~ '" has bits set after its '
                ~ 'prefix of ' ~ length ~ ' bits. Write the first address of the range, or /'
                ~ width * places ~ ' for one address.'
            ) }}
        {%- elif free == 0 -%}
            {%- do parts.append(text) -%}
        {%- elif free < width and is_ipv6 -%}
            {%- do parts.append('[' ~ '0123456789abcdef'[first:first + run] ~ ']') -%}
        {%- elif free < width -%}
            {%- do parts.append('(' ~ range(first, first + run) | join('|') ~ ')') -%}
        {%- elif not is_ipv6 -%}
            {%- do parts.append(octet) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(parts | join ~ '.*' if is_ipv6 else parts | join('[.]')) }}
{% endmacro %}

{#-
    The 32 hexadecimal digits of an IPv6 address in lower case, null for any other text. A `::`
    becomes the missing groups of zeros; an empty group at either end is filled too.
-#}
{% macro ipv6_digits(ip) %}
{%- set colons = "length(" ~ ip ~ ") - length(replace(" ~ ip ~ ", ':', ''))" -%}
{%- set groups = "replace(" ~ ip ~ ", '::', ':' || repeat('0:', 8 - (" ~ colons ~ ")))" -%}
case
    when contains({{ ip }}, ':') and {{ matches_whole(ip, ipv6_pattern()) }}
        then
            lower(
                {%- for number in range(1, 9) %}
                {{ '|| ' if not loop.first -}}
                lpad(split_part({{ groups }}, ':', {{ number }}), 4, '0')
                {%- endfor %}
            )
end
{%- endmacro %}

{#- Regular expression for a whole IPv6 address, `::` standing for a group or more. -#}
{% macro ipv6_pattern() %}
    {%- set group = '[0-9a-fA-F]{1,4}' -%}
    {%- set forms = ['(G:){7}G', '(G:){1,7}:', ':(:G){1,7}', '::'] -%}
    {%- for before in range(1, 7) -%}
        {%- do forms.append('(G:){' ~ before ~ '}(:G){1,' ~ (7 - before) ~ '}') -%}
    {%- endfor -%}
    {{ return('(' ~ (forms | join('|')).replace('G', group) ~ ')') }}
{% endmacro %}

{#-
    The maximum number of events of a person's stream in one calendar minute: the lowest in the seed
    `traffic_rules`, or more than possible without a rule.
-#}
{% macro events_per_minute(rules) %}
    {%- set limits = [] -%}
    {%- for traffic, part, value in seed_rows(rules, ['traffic', 'part', 'value'])
        if part == 'events_per_minute' -%}
        {%- if traffic != 'bot' or not modules.re.fullmatch('[1-9][0-9]{0,8}', value) -%}
            {{ exceptions.raise_compiler_error(
                'seeds/traffic_rules.csv: the ' ~ traffic ~ ' events_per_minute "' ~ value
                ~ '" must be a whole number from 1 to 999999999, and its traffic must be bot.'
            ) }}
        {%- endif -%}
        {%- do limits.append(value | int) -%}
    {%- endfor -%}
    {{ return((limits or [1000000000]) | min) }}
{% endmacro %}

{#- Whether the var `excluded_traffic` does not exclude an event, as SQL. -#}
{% macro is_counted() %}
    {%- set columns = {'bot': 'is_bot', 'internal': 'is_internal'} -%}
    {%- set conditions = [] -%}
    {%- for traffic in checked_var('excluded_traffic') -%}
        {%- do conditions.append('not ' ~ columns[traffic]) -%}
    {%- endfor -%}
    {{ return(conditions | join(' and ') or 'true') }}
{% endmacro %}
