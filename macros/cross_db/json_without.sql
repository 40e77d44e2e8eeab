{% macro json_without(json, names, prefix) -%}
    {{ return(adapter.dispatch('json_without', 'tideline')(json, names, prefix)) }}
{%- endmacro %}

{# Sorted, so that equal members give equal text; distinct, since a map has a key once. #}
{% macro duckdb__json_without(json, names, prefix) -%}
    json_merge_patch('{}', to_json(map_from_entries(list_transform(
        list_filter(
            list_sort(list_distinct(json_keys({{ json }}))),
            lambda name: name not in ('{{ names | join("', '") }}')
            and not starts_with(name, '{{ prefix }}')
        ),
        lambda name: {
            'name': name,
            'value': json_extract({{ json }}, '/' || replace(replace(name, '~', '~0'), '/', '~1'))
        }
    ))))
{%- endmacro %}

{# Written as text and parsed, since a subquery over the members cannot depend on the row there. #}
{% macro snowflake__json_without(json, names, prefix) -%}
    parse_json('{' || array_to_string(
        transform(
            filter(
                object_keys({{ json }}),
                name varchar -> name not in ('{{ names | join("', '") }}')
                and not startswith(name, '{{ prefix }}')
                and not is_null_value(get({{ json }}, name))
            ),
            name varchar -> to_json(to_variant(name)) || ':' || to_json(get({{ json }}, name))
        ),
        ','
    ) || '}')
{%- endmacro %}
