{% macro with_json_texts(json, paths) -%}
    {{ return(adapter.dispatch('with_json_texts', 'tideline')(json, paths, caller)) }}
{%- endmacro %}

{#
    The JSON is parsed once for all paths; separate `->>` would each parse it again. A list of one
    row binds the texts to a name, since SQL has no expression for that.
#}
{% macro duckdb__with_json_texts(json, paths, body) -%}
    {%- set texts = [] -%}
    {%- set quoted = [] -%}
    {%- for path in paths -%}
        {%- do texts.append('texts[' ~ loop.index ~ ']') -%}
        {%- do quoted.append("'$." ~ tideline.json_path(path) ~ "'") -%}
    {%- endfor -%}
    list_transform(
        [json_extract_string({{ json }}, [{{ quoted | join(', ') }}])],
        lambda texts: {{ body(texts) }}
    )[1]
{%- endmacro %}

{% macro snowflake__with_json_texts(json, paths, body) -%}
    {%- set texts = [] -%}
    {%- for path in paths -%}
        {%- do texts.append(
            'cast(get_path(' ~ json ~ ", '" ~ tideline.json_path(path) ~ "') as varchar)"
        ) -%}
    {%- endfor -%}
    {{ body(texts) }}
{%- endmacro %}
