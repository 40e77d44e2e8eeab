{#-
    The form in which event names are compared: without case, and with spaces and hyphens as
    underscores.
-#}
{% macro event_key(name) -%}
    lower(replace(replace(trim({{ name }}), ' ', '_'), '-', '_'))
{%- endmacro %}

{#- The aliases of events by their comparison key, each once. -#}
{% macro event_alias_keys(aliases) -%}
select
    {{ event_key('alias') }} as event_key,
    min(event_name) as event_name
from {{ aliases }}
group by 1
{%- endmacro %}
