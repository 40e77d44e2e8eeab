{#-
    The traits with `sent_as: <column>`, as columns of `activation_audiences` besides `others`.
    Stops the build if two columns would have the same name.
-#}
{% macro sent_traits(others) %}
    {%- set sent = [] -%}
    {%- for trait in declared_traits() if trait.spec.sent_as -%}
        {%- set column = trait.spec.sent_as -%}
        {%- if column in others + sent | map(attribute='column') | list -%}
            {{ exceptions.raise_compiler_error(
                trait.place ~ ' has the duplicate sent_as "' ~ column
                ~ '". Use a name that activation_audiences does not have yet.'
            ) }}
        {%- endif -%}
        {%- do sent.append({'name': trait.name, 'column': column}) -%}
    {%- endfor -%}
    {{ return(sent) }}
{% endmacro %}
