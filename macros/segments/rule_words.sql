{#- The words of a rule outside its text literals, lower-cased. -#}
{% macro rule_words(rule) %}
    {{ return(modules.re.findall(
        '[a-z_][a-z0-9_]*', modules.re.sub("'[^']*'", '', rule) | lower
    )) }}
{% endmacro %}
