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
