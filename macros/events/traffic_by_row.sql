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
