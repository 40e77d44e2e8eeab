{#-
    Stops every command if a var has a value that `var_rules` does not allow, is missing, or is
    unknown in --vars. It is called in `on-run-start`, which dbt renders twice: when it parses, so
    that commands without hooks (compile, list) stop too, and when a run starts.
-#}
{% macro checked_vars() %}
    {%- set names = [] -%}
    {%- for path in var_rules() -%}
        {%- do names.append(path.split('.')[0]) -%}
    {%- endfor -%}
    {%- for name in invocation_args_dict.get('vars') or {} if name not in names -%}
        {{ exceptions.raise_compiler_error(
            'The var "' ~ name ~ '" in --vars is unknown. Did you mean "'
            ~ nearest_word(name | string, names | unique) ~ '"?'
        ) }}
    {%- endfor -%}
    {%- for name in names | unique -%}
        {%- do checked_var(name) -%}
    {%- endfor -%}
{% endmacro %}
