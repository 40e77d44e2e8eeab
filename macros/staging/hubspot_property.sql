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
