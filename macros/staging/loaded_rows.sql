{#-
    The rows of a table that a loader fills, with the columns of `source_rows`. Rows with the same
    load time are one load. Its rows are numbered in the order of their content, separately for each
    load, so that a reader of the newest loads need not number all. Rows without a readable load
    time are one load, at the epoch. Schemas of two databases may have the same name.
-#}
{% macro loaded_rows(source, relation, loaded_at) %}
{%- set columns = adapter.get_columns_in_relation(relation) -%}
{%- set by_name = {} -%}
{%- for column in columns -%}
    {%- do by_name.update({column.name | lower: column}) -%}
{%- endfor -%}
{%- set candidates = [loaded_at] if loaded_at is string else loaded_at -%}
{%- set load_column = by_name.get(candidates | select('in', by_name) | first) -%}
{%- if not load_column -%}
    {{ exceptions.raise_compiler_error(
        'The var sources places ' ~ source ~ ' in ' ~ relation ~ ', but that table has no column '
        ~ candidates | join(' or ') ~ ' for the time of loading. Its columns are: '
        ~ by_name | join(', ') ~ '. Name a schema whose loader writes one.'
    ) }}
{%- endif -%}
{%- set instant = column_instant(load_column) -%}
{%- set load_text = json_text('record', load_column.name | lower) -%}
{%- set names = [relation.schema, relation.identifier] -%}
{%- if relation.database | lower != target.database | lower -%}
    {%- set names = [relation.database] + names -%}
{%- endif -%}
select
    '{{ names | join(".") | lower }}/'
    || coalesce({{ load_text }}, 'unknown') as landed_file,
    row_number() over (partition by landed_at order by cast(record as varchar)) as landed_line,
    landed_at,
    record,
    case
        when {{ load_text }} is null then 'no {{ load_column.name | lower }}'
        when is_undated then '{{ load_column.name | lower }} is not a valid timestamp'
    end as problem,
    cast(null as varchar) as original
from (
    select
        {{ row_object(columns) | indent(8) }} as record,
        coalesce({{ instant }}, timestamp '1970-01-01 00:00:00') as landed_at,
        {{ instant }} is null as is_undated
    from {{ relation }}
) as loads
{% endmacro %}
