{#- `items[0].item_id` in the syntax of both engines: "items"[0]."item_id". -#}
{% macro json_path(path) -%}
    {%- set steps = [] -%}
    {%- for step in path.split('.') -%}
        {%- do steps.append(
            modules.re.sub('^(.*?)((?:\\[[0-9]+\\])*)$', '"\\1"\\2', step).replace("'", "''")
        ) -%}
    {%- endfor -%}
    {{ return(steps | join('.')) }}
{%- endmacro %}
