{#- Names of a relation's numeric columns, in order; empty if it does not exist yet. -#}
{% macro feature_columns(relation) %}
    {%- set names = [] -%}
    {%- if execute and load_relation(relation) -%}
        {%- set number = '(double|float|real|fixed|decimal|numeric|number|integer'
            ~ '|u?(huge|big|small|tiny)?int)\\b' -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- if modules.re.match(number, column.dtype | lower) -%}
                {%- do names.append(column.name | lower) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(names) }}
{% endmacro %}

{#- The columns of the CTE `cte` as rows: `profile_id, as_of, feature, value`, without nulls. -#}
{% macro feature_values(cte, columns) %}
{%- for column in columns %}
select
    profile_id,
    as_of,
    '{{ column }}' as feature,
    cast({{ column }} as double) as value
from {{ cte }}
where {{ column }} is not null
{{ 'union all' if not loop.last }}
{%- else %}
select
    profile_id,
    as_of,
    '' as feature,
    cast(0 as double) as value
from {{ cte }}
where false
{%- endfor %}
{% endmacro %}
