{% macro json_with(json, name, value) -%}
    {{ return(adapter.dispatch('json_with', 'tideline')(json, name, value)) }}
{%- endmacro %}

{% macro duckdb__json_with(json, name, value) -%}
    case
        when {{ value }} is not null and json_extract({{ json }}, '$."{{ name }}"') is null
            then json_merge_patch(
                coalesce({{ json }}, '{}'), json_object('{{ name }}', {{ value }})
            )
        else {{ json }}
    end
{%- endmacro %}

{% macro snowflake__json_with(json, name, value) -%}
    case
        when {{ value }} is not null and get_path({{ json }}, '"{{ name }}"') is null
            then parse_json(
                case
                    when left(to_json({{ json }}), 1) = '{' and to_json({{ json }}) <> '{}'
                        then left(to_json({{ json }}), length(to_json({{ json }})) - 1) || ','
                    else '{'
                end
                || '"{{ name }}":' || to_json(to_variant({{ value }})) || '}'
            )
        else {{ json }}
    end
{%- endmacro %}
