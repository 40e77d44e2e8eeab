{% macro iso_8601(part) -%}
    {%- set date = '[0-9]{4}-[0-9]{2}-[0-9]{2}' -%}
    {%- set time = '[T ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?' -%}
    {%- set zone = '(Z|[+-][0-9]{2}(:?[0-9]{2})?)' -%}
    {{- {
        'date': date,
        'unzoned': date ~ '(' ~ time ~ ')?',
        'zoned': date ~ time ~ zone,
    }[part] -}}
{%- endmacro %}
