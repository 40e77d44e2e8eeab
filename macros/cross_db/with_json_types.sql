{% macro with_json_types(json, paths) -%}
    {{ return(adapter.dispatch('with_json_types', 'tideline')(json, paths, caller)) }}
{%- endmacro %}

{#
   Parsed once, as in `with_json_texts`, and only if anything is nested: a flat object has neither a
   second brace nor a bracket.
#}
{% macro duckdb__with_json_types(json, paths, body) -%}
    {%- set types = [] -%}
    {%- set quoted = [] -%}
    {%- for path in paths -%}
        {%- do types.append('types[' ~ loop.index ~ ']') -%}
        {%- do quoted.append("'$." ~ tideline.json_path(path) ~ "'") -%}
    {%- endfor -%}
    case
        when
            contains(cast({{ json }} as varchar), '[')
            or contains(substr(cast({{ json }} as varchar), 2), '{')
            then list_transform(
                [json_type({{ json }}, [{{ quoted | join(', ') }}])],
                lambda types: {{ body(types) }}
            )[1]
    end
{%- endmacro %}

{% macro snowflake__with_json_types(json, paths, body) -%}
    {%- set types = [] -%}
    {%- for path in paths -%}
        {%- set value = 'get_path(' ~ json ~ ", '" ~ tideline.json_path(path) ~ "')" -%}
        {%- do types.append(
            'case left(to_json(' ~ value ~ "), 1) when '{' then 'OBJECT' when '[' then 'ARRAY' end"
        ) -%}
    {%- endfor -%}
    {{ body(types) }}
{%- endmacro %}
