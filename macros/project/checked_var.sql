{#- The value of a var; stops the command if `var_rules` does not allow it. -#}
{% macro checked_var(name) %}
    {%- if not var.has_var(name) -%}
        {{ exceptions.raise_compiler_error(
            'The var ' ~ name ~ ' is missing. Write it in dbt_project.yml, under `vars`.'
        ) }}
    {%- endif -%}
    {%- set value = var(name) -%}
    {%- set rules = {} -%}
    {%- for path, rule in var_rules().items() if path.split('.')[0] == name -%}
        {%- do rules.update({path: rule}) -%}
    {%- endfor -%}
    {%- set keys = rules | map('replace', name ~ '.', '') | list -%}
    {%- if name not in rules and (value is not mapping or value | list | sort != keys | sort) -%}
        {{ wrong_var(name, value, 'a value for each of ' ~ keys | join(', ') ~ ' and no other') }}
    {%- endif -%}
    {%- for path, rule in rules.items() -%}
        {%- set part = value if path == name else value[path.split('.')[1]] -%}
        {%- set expectation = var_expectation(part, rule[0], rule[1:]) -%}
        {%- if expectation -%}
            {{ wrong_var(path, part, expectation) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(value) }}
{% endmacro %}

{#- Stops the command: names a var or setting, its value, what to write and where. -#}
{% macro wrong_var(path, value, expectation) %}
    {%- set text = '"' ~ value ~ '"' if value is string else 'null' if value is none else value -%}
    {{ exceptions.raise_compiler_error(
        'The var ' ~ path ~ ' is ' ~ text ~ '. Write ' ~ expectation
        ~ ', in dbt_project.yml or with --vars.'
    ) }}
{% endmacro %}
