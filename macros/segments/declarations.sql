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

{#- A text that a person wrote, as an SQL literal. -#}
{% macro text_literal(text) %}
    {{ return(declarations().text_sql(text, target.type)) }}
{% endmacro %}

{#- The same, or a null if there is no text. -#}
{% macro optional_text(text) %}
    {{ return(text_literal(text) if text else 'cast(null as varchar)') }}
{% endmacro %}
