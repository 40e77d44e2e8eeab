{% macro iso_8601(part) -%}
    {%- set date = '[0-9]{4}-[0-9]{2}-[0-9]{2}' -%}
    {%- set time = '[T ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?' -%}
    {#- No place is farther from UTC than 18 hours, the limit of java.time too. #}
    {%- set zone = '(Z|[+-]((0[0-9]|1[0-7])(:?[0-5][0-9])?|18(:?00)?))' -%}
    {{- {
        'date': date,
        'unzoned': date ~ '(' ~ time ~ ')?',
        'zoned': date ~ time ~ zone,
        'epoch': '[0-9]{9,17}([.][0-9]{1,6})?',
    }[part] -}}
{%- endmacro %}
