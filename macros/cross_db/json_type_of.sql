{% macro json_type_of(json, path) -%}
    {#- The first character of a JSON value says its type. Snowflake's typeof() would too, but not on
        the server we test against. -#}
    case left({{ tideline.json_source(json, path) }}, 1)
        when '{' then 'object'
        when '[' then 'array'
        when '"' then 'text'
        when 't' then 'boolean'
        when 'f' then 'boolean'
        when 'n' then null
        when '' then null
        else case when {{ tideline.json_source(json, path) }} is not null then 'number' end
    end
{%- endmacro %}
