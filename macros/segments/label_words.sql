{#- The columns that a label quotes in braces. -#}
{% macro label_words(label) %}
    {{ return(modules.re.findall('\\{(\\w+)\\}', label)) }}
{% endmacro %}
