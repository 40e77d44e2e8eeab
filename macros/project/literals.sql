{#- What the vars of these names list, as SQL literals; stops the build where one is no list. -#}
{% macro literals() -%}
    {%- set quoted = [] -%}
    {%- for name in varargs -%}
        {%- set texts = var(name) -%}
        {%- if texts is string or texts is not sequence -%}
            {{ exceptions.raise_compiler_error(
                'The var ' ~ name ~ ' is "' ~ texts ~ '". Write a list: [' ~ texts ~ '].'
            ) }}
        {%- endif -%}
        {%- for text in texts -%}
            {%- do quoted.append("'" ~ text | replace("'", "''") ~ "'") -%}
        {%- endfor -%}
    {%- endfor -%}
    {#- No event is called by an empty name. #}
    {{ quoted | join(', ') if quoted else "''" }}
{%- endmacro %}
