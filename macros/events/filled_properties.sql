{#- The properties of one event filled from its aliases, as `alias_rules` gives them. -#}
{% macro filled_properties(alias_rules, source, properties) %}
{%- if not alias_rules -%}
{{ properties }}
{%- elif alias_rules | length == 1 and alias_rules[0][0] == '*' -%}
{{ json_filled(properties, alias_rules[0][1]) }}
{%- else -%}
case
    {%- for wanted, aliases_of in alias_rules %}
    when {{ source ~ " = '" ~ wanted ~ "'" if wanted != '*' else 'true' }}
        then {{ json_filled(properties, aliases_of) | indent(12) }}
    {%- endfor %}
    else {{ properties }}
end
{%- endif -%}
{%- endmacro %}
