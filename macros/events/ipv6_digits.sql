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
