{% macro iso_8601(part) -%}
    {%- set date = '[0-9]{4}-[0-9]{2}-[0-9]{2}' -%}
    {%- set time = '[T ]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?' -%}
    {#- No time zone is more than 18 hours from UTC, which is also the limit of java.time. #}
    {%- set zone = '(Z|[+-]((0[0-9]|1[0-7])(:?[0-5][0-9])?|18(:?00)?))' -%}
    {{- {
        'date': date,
        'unzoned': date ~ '(' ~ time ~ ')?',
        'zoned': date ~ time ~ zone,
        'epoch': '[0-9]{9,17}([.][0-9]{1,6})?',
    }[part] -}}
{%- endmacro %}
