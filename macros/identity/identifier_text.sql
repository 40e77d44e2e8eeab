{#- The identifier of a type that an event carries, written as `identifier_rules` says. -#}
{% macro identifier_text(event, id_type, is_lower_cased=false) -%}
    {%- if id_type in ['user_id', 'anonymous_id'] -%}
        {%- set text = 'trim(' ~ event ~ '.' ~ id_type ~ ')' -%}
    {%- else -%}
        {%- set text = 'trim(' ~ json_text(event ~ '.identifiers', id_type) ~ ')' -%}
    {%- endif -%}
    {{ return('lower(' ~ text ~ ')' if is_lower_cased else text) }}
{%- endmacro %}
