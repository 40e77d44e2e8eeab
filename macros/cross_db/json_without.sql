{% macro json_without(json, names, prefix) -%}
    {{ return(adapter.dispatch('json_without', 'tideline')(json, names, prefix)) }}
{%- endmacro %}

{# Sorted, so that the same members are the same text; distinct, for a map has a key once. #}
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

{% macro snowflake__json_without(json, names, prefix) -%}
    (
        select to_variant(object_agg(member.key, member.value))
        from table(flatten(input => {{ json }})) as member
        where
            member.key not in ('{{ names | join("', '") }}')
            and not startswith(member.key, '{{ prefix }}')
            and not is_null_value(member.value)
    )
{%- endmacro %}
