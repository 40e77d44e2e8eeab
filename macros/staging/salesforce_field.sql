{#- The names that loaders give to a field of a Salesforce object: `last_name`, `lastname`. -#}
{% macro salesforce_field(name) %}
    {{ return([name, name | replace('_', '')] if '_' in name else [name]) }}
{% endmacro %}
