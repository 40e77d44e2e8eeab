{% macro json_params(json, others) -%}
    {{ return(adapter.dispatch('json_params', 'tideline')(json, others)) }}
{%- endmacro %}

{#
   Sorted, so that equal parameters give equal text; of parameters with the same key the last is
   taken, since a map has a key once. A list of one binds the list to a name.
#}
{% macro duckdb__json_params(json, others) -%}
    {%- set value -%}
        coalesce(
            to_json(param ->> '$.value.string_value'),
            to_json(try_cast(param ->> '$.value.int_value' as bigint)),
            {%- for kind in ['float', 'double'] %}
            to_json({{ tideline.try_number("(param ->> '$.value." ~ kind ~ "_value')") }})
            {{- ',' if not loop.last }}
            {%- endfor %}
        )
    {%- endset -%}
    json_merge_patch(
        coalesce(
            to_json(list_transform(
                [list_filter(
                    list_transform(
                        try_cast({{ json }} as json[]),
                        lambda param: {'name': param ->> 'key', 'value': {{ value }}}
                    ),
                    lambda param: param.name is not null and param.value is not null
                )],
                lambda params: map_from_entries(list_transform(
                    list_sort(list_distinct(list_transform(params, lambda param: param.name))),
                    lambda name: {
                        'name': name,
                        'value': list_filter(params, lambda param: param.name = name)[-1].value
                    }
                ))
            )[1]),
            '{}'
        ),
        {{ tideline.json_object(others) }}
    )
{%- endmacro %}

{#
    Written as text and parsed, as in `json_without`; of parameters with the same key, the last is
    taken.
#}
{% macro snowflake__json_params(json, others) -%}
    {%- set field = "cast(get_path(param, '%s') as varchar)" -%}
    parse_json('{' || substr(
        coalesce(array_to_string(array_compact(transform(
            as_array({{ json }}),
            param -> ',' || to_json(to_variant({{ field | format('key') }})) || ':'
            || to_json(coalesce(
                to_variant({{ field | format('value.string_value') }}),
                to_variant(try_cast({{ field | format('value.int_value') }} as bigint)),
                {%- for kind in ['float', 'double'] %}
                to_variant({{ tideline.try_number(field | format('value.' ~ kind ~ '_value')) }})
                {{- ',' if not loop.last }}
                {%- endfor %}
            ))
        )), ''), '')
        {%- for name, expression in others.items() %}
        || coalesce(',"{{ name }}":' || to_json({{ expression }}), '')
        {%- endfor %},
        2
    ) || '}', 'd')
{%- endmacro %}
