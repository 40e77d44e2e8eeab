{#- The aliases of events by their comparison key, each once. -#}
{% macro event_alias_keys(aliases) -%}
select
    {{ event_key('alias') }} as event_key,
    min(event_name) as event_name
from {{ aliases }}
group by 1
{%- endmacro %}
