{#-
    The columns of a model with a declaration under `config.meta.<kind>` ('trait', 'segment'), as a
    list of {name, description, spec}. Those of the shop (`meta.shop`) are left out if the var
    `shop` is false. Empty while dbt only parses.
-#}
{% macro declared_columns(model_name, kind) %}
    {%- set declared = [] -%}
    {%- if execute -%}
        {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] -%}
        {%- for column in node.columns.values() if var('shop') or not is_of_shop(column) -%}
            {%- set meta = column_meta(column) -%}
            {%- if kind in meta -%}
                {%- do declared.append({
                    'name': column.name,
                    'description': column.description | trim,
                    'spec': meta[kind],
                }) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(declared) }}
{% endmacro %}

{#- The `config.meta` of a documented column. -#}
{% macro column_meta(column) %}
    {{ return(column.get('config', {}).get('meta', {}) or column.get('meta', {})) }}
{% endmacro %}

{#- Whether a documented column exists only if the var `shop` is true. -#}
{% macro is_of_shop(column) %}
    {{ return(column_meta(column).get('shop', false)) }}
{% endmacro %}

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
