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
