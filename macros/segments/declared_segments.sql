{#-
    The declared segments as a list of {name, description, place, spec}; those of the shop only if
    the var `shop` is true. Empty while dbt only parses.
-#}
{% macro declared_segments() %}
    {{ return(declarations().segments(var('shop')) if execute else []) }}
{% endmacro %}

{#- The reader of the declarations (dbt_tideline.py). -#}
{% macro declarations() %}
    {%- if 'tideline' not in modules -%}
        {{ exceptions.raise_compiler_error(
            'The package "tideline" is not installed in the environment of this dbt. Run '
            ~ '`make .venv/.installed` and use the dbt in .venv/bin.'
        ) }}
    {%- endif -%}
    {{ return(modules.tideline) }}
{% endmacro %}

{#- What an error about an unknown column ends with if the shop is turned off. -#}
{% macro shop_hint() -%}
    {{ return('' if var('shop') else '. The var shop is false: the traits of the shop are off') }}
{%- endmacro %}
