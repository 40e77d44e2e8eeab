{% macro json_starting(json, prefix) -%}
    {{ return(adapter.dispatch('json_starting', 'tideline')(json, prefix)) }}
{%- endmacro %}

{% macro duckdb__json_starting(json, prefix) -%}
    try_cast(list_filter(
        list_transform(
            list_filter(json_keys({{ json }}), lambda name: starts_with(name, '{{ prefix }}')),
            lambda name: {{ json }} ->> ('$."' || name || '"')
        ),
        lambda text: text is not null
    )[1] as json)
{%- endmacro %}

{% macro snowflake__json_starting(json, prefix) -%}
    try_parse_json((
        select min(cast(member.value as varchar))
        from table(flatten(input => {{ json }})) as member
        where startswith(member.key, '{{ prefix }}') and not is_null_value(member.value)
    ))
{%- endmacro %}
