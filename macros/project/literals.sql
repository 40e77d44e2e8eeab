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
