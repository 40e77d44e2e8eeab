{#-
    A text of a seed that becomes part of SQL; `what` names its place. A quote, which would end the
    text, or a backslash, which warehouses read differently, stops the build.
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
