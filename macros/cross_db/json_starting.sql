{% macro json_starting(json, prefix) -%}
    {{ return(adapter.dispatch('json_starting', 'tideline')(json, prefix)) }}
{%- endmacro %}

{% macro duckdb__json_starting(json, prefix) -%}
    try_cast(list_filter(
        list_transform(
            list_filter(
                list_sort(json_keys({{ json }})),
                lambda name: starts_with(name, '{{ prefix }}')
            ),
            lambda name: {{ json }} ->> ('$."' || name || '"')
        ),
        lambda text: text is not null
    )[1] as json)
{%- endmacro %}

{% macro snowflake__json_starting(json, prefix) -%}
    try_parse_json(cast(get({{ json }}, cast(array_min(filter(
        object_keys({{ json }}),
        name varchar -> startswith(name, '{{ prefix }}')
        and not is_null_value(get({{ json }}, name))
    )) as varchar)) as varchar))
{%- endmacro %}
