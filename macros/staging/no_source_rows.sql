{#- `source_rows` of a missing table. -#}
{% macro no_source_rows() -%}
select
    cast(null as varchar) as landed_file,
    cast(null as bigint) as landed_line,
    cast(null as timestamp) as landed_at,
    {{ json_object({'id': 'cast(null as varchar)'}) }} as record,
    cast(null as varchar) as problem,
    cast(null as varchar) as original
where false
{%- endmacro %}
