{#- The names that loaders give to a property of a HubSpot object. -#}
{% macro hubspot_property(name) %}
    {{ return([
        'property_' ~ name,
        'properties_' ~ name,
        'properties__' ~ name,
        'properties.' ~ name,
        name,
    ]) }}
{% endmacro %}

{#- The names that loaders give to a field of a Salesforce object: `last_name`, `lastname`. -#}
{% macro salesforce_field(name) %}
    {{ return([name, name | replace('_', '')] if '_' in name else [name]) }}
{% endmacro %}

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
