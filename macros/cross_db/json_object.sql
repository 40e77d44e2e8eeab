{% macro json_object(pairs) -%}
    {{ return(adapter.dispatch('json_object', 'tideline')(pairs)) }}
{%- endmacro %}

{% macro duckdb__json_object(pairs) -%}
    {#- A merge patch (RFC 7396) drops nulls. -#}
    json_merge_patch('{}', json_object(
        {%- for name, expression in pairs.items() %}
        '{{ name }}', {{ expression }}{{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{% macro snowflake__json_object(pairs) -%}
    to_variant(object_construct(
        {%- for name, expression in pairs.items() %}
        '{{ name }}', {{ expression }}{{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}
