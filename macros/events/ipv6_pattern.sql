{#- Regular expression for a whole IPv6 address, `::` standing for a group or more. -#}
{% macro ipv6_pattern() %}
    {%- set group = '[0-9a-fA-F]{1,4}' -%}
    {%- set forms = ['(G:){7}G', '(G:){1,7}:', ':(:G){1,7}', '::'] -%}
    {%- for before in range(1, 7) -%}
        {%- do forms.append('(G:){' ~ before ~ '}(:G){1,' ~ (7 - before) ~ '}') -%}
    {%- endfor -%}
    {{ return('(' ~ (forms | join('|')).replace('G', group) ~ ')') }}
{% endmacro %}
