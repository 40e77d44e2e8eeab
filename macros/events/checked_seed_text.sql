{#-
    A text of a seed that becomes part of SQL; `what` says where it stands. Stops the build at a
    quote, which would end the text, and at a backslash, which warehouses read differently.
-#}
{% macro checked_seed_text(what, text, fix, unsafe=["'", '"', '\\']) %}
    {%- if unsafe | select('in', text or '') | list -%}
        {{ exceptions.raise_compiler_error(
            what ~ ' "' ~ text ~ '" contains a quote or a backslash, which warehouses read '
            ~ 'differently. ' ~ fix
        ) }}
    {%- endif -%}
    {{ return(text) }}
{% endmacro %}
