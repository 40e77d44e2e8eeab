{#-
    A Snowplow ecommerce entity of an event. It has a column for each version of its schema, which
    holds a list of one.
-#}
{% macro shop_entity(record, name) -%}
    {%- set columns = [] -%}
    {%- for version in ['1', '1_0_0', '1_0_1', '1_0_2'] -%}
        {%- do columns.append(json_text(
            record, 'contexts_com_snowplowanalytics_snowplow_ecommerce_' ~ name ~ '_' ~ version
        )) -%}
    {%- endfor -%}
    {{ json_first(parse_json_text('coalesce(' ~ columns | join(', ') ~ ')')) }}
{%- endmacro %}
