{#-
    The identifier of a type that an event carries, normalized by `identifier_rules`. Columns were
    trimmed when the row was validated, so a case-sensitive type is the plain column, in which a
    warehouse can look up values.
-#}
{% macro identifier_text(event, id_type, is_lower_cased=false, is_gmail_folded=false) -%}
    {%- set is_column = id_type in ['user_id', 'anonymous_id'] -%}
    {%- set text = event ~ '.' ~ id_type if is_column
        else json_text(event ~ '.identifiers', id_type) -%}
    {%- if is_lower_cased or is_gmail_folded -%}
        {{ return(normalized_identifier(text, is_lower_cased, is_gmail_folded)) }}
    {%- endif -%}
    {{ return(text if is_column else 'trim(' ~ text ~ ')') }}
{%- endmacro %}
