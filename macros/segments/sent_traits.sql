{#-
    The traits with `sent_as: <column>`, as columns of `activation_audiences` besides `others`.
    Stops the build if two columns would have the same name.
-#}
{% macro sent_traits(others) %}
    {%- set sent = [] -%}
    {%- for trait in declared_columns('profile_traits', 'trait') if 'sent_as' in trait.spec -%}
        {%- set column = trait.spec.sent_as | string -%}
        {%- if not modules.re.fullmatch('[a-z][a-z0-9_]*', column)
            or column in others + sent | map(attribute='column') | list -%}
            {{ exceptions.raise_compiler_error(
                'Trait "' ~ trait.name ~ '" has the invalid or duplicate sent_as "' ~ column
                ~ '". Use a snake_case name that activation_audiences does not have yet.'
            ) }}
        {%- endif -%}
        {%- do sent.append({'name': trait.name, 'column': column}) -%}
    {%- endfor -%}
    {{ return(sent) }}
{% endmacro %}
