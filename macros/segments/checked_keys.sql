{#- Stops the build if a declaration has an unknown key or is missing a required one. -#}
{% macro checked_keys(what, spec, required, optional) %}
    {%- for key in required if key not in spec -%}
        {{ exceptions.raise_compiler_error(what ~ ' is missing the key "' ~ key ~ '".') }}
    {%- endfor -%}
    {%- for key in spec if key not in required + optional -%}
        {{ exceptions.raise_compiler_error(
            what ~ ' has the unknown key "' ~ key ~ '". Did you mean "'
            ~ nearest_word(key, required + optional) ~ '"?'
        ) }}
    {%- endfor -%}
{% endmacro %}
