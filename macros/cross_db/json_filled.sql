{% macro json_filled(json, sources) -%}
    {{ return(adapter.dispatch('json_filled', 'tideline')(json, sources)) }}
{%- endmacro %}

{#
    One search for all names in the text avoids parsing objects that have none of them. The inner
    patch drops nulls; the members of the object itself are kept, nulls included.
#}
{% macro duckdb__json_filled(json, sources) -%}
    {%- set names = [] -%}
    {%- set paths = [] -%}
    {%- set pairs = {} -%}
    {%- for key, others in sources.items() -%}
        {%- set values = [] -%}
        {%- for path in [key] + others -%}
            {%- do paths.append("'$." ~ tideline.json_path(path) ~ "'") -%}
            {%- do values.append("nullif(found[" ~ paths | length ~ "], 'null')") -%}
        {%- endfor -%}
        {%- for path in others -%}
            {%- do names.append(modules.re.escape(modules.re.split('[.[]', path)[0])) -%}
        {%- endfor -%}
        {%- do pairs.update({key: values}) -%}
    {%- endfor -%}
    case
        when regexp_matches(cast({{ json }} as varchar), '"({{ names | unique | join("|") }})"')
            then list_transform(
                [json_extract({{ json }}, [{{ paths | join(', ') }}])],
                lambda found: case
                    when
                        {% for values in pairs.values() -%}
                        {{ 'or ' if not loop.first -}}
                        (
                            {{ values[0] }} is null
                            and coalesce({{ values[1:] | join(', ') }}, null) is not null
                        )
                        {% endfor -%}
                        then json_merge_patch({{ json }}, json_merge_patch('{}', json_object(
                            {%- for key, values in pairs.items() %}
                            '{{ key }}',
                            coalesce({{ values | join(', ') }}){{ ',' if not loop.last }}
                            {%- endfor %}
                        )))
                    else {{ json }}
                end
            )[1]
        else {{ json }}
    end
{%- endmacro %}

{# Found values are written last: if a key occurs twice, the last one counts. #}
{% macro snowflake__json_filled(json, sources) -%}
    {%- set filled = [] -%}
    {%- for key, others in sources.items() -%}
        {%- set values = [] -%}
        {%- for path in [key] + others -%}
            {%- do values.append(
                'strip_null_value(get_path(' ~ json ~ ", '" ~ tideline.json_path(path) ~ "'))"
            ) -%}
        {%- endfor -%}
        {%- do filled.append(
            'case when ' ~ values[0] ~ ' is null then \',"' ~ key ~ '":\' || to_json(coalesce('
            ~ values[1:] | join(', ') ~ ', null)) end'
        ) -%}
    {%- endfor -%}
    case
        when coalesce({{ filled | join(', ') }}, null) is not null
            then parse_json(
                left(to_json({{ json }}), length(to_json({{ json }})) - 1)
                {% for pair in filled -%}
                || coalesce({{ pair }}, '')
                {% endfor -%}
                || '}',
                'd'
            )
        else {{ json }}
    end
{%- endmacro %}
