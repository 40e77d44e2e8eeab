{% macro json_params(json, others) -%}
    {{ return(adapter.dispatch('json_params', 'tideline')(json, others)) }}
{%- endmacro %}

{# Sorted, so that the same parameters are the same text; of those that share a key the first is
   taken, for a map has a key once. A list of one binds the list to a name. #}
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
                        'value': list_filter(params, lambda param: param.name = name)[1].value
                    }
                ))
            )[1]),
            '{}'
        ),
        {{ tideline.json_object(others) }}
    )
{%- endmacro %}

{% macro snowflake__json_params(json, others) -%}
    {%- set name = "cast(get_path(param.value, 'key') as varchar)" -%}
    {%- set values = {} -%}
    {%- for kind in ['string', 'int', 'float', 'double'] -%}
        {%- do values.update({
            kind: "cast(get_path(param.value, 'value." ~ kind ~ "_value') as varchar)"
        }) -%}
    {%- endfor -%}
    (
        select to_variant(object_agg(named.name, named.value))
        from (
            select
                {{ name }} as name,
                coalesce(
                    to_variant({{ values['string'] }}),
                    to_variant(try_cast({{ values['int'] }} as bigint)),
                    to_variant({{ tideline.try_number(values['float']) }}),
                    to_variant({{ tideline.try_number(values['double']) }})
                ) as value
            from table(flatten(input => {{ json }})) as param
            where {{ name }} not in ('{{ others | join("', '") }}')
            qualify row_number() over (partition by {{ name }} order by param.index) = 1
            {%- for other, expression in others.items() %}
            union all
            select '{{ other }}' as name, to_variant({{ expression }}) as value
            {%- endfor %}
        ) as named
        where named.value is not null
    )
{%- endmacro %}
