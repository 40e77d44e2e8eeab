{#- A campaign as one text, in which no two are alike; null where there is none. -#}
{% macro campaign_text(context) -%}
nullif(concat(
    {% for part in ['source', 'medium', 'name'] -%}
    coalesce({{ json_text(context, 'campaign.' ~ part) }}, ''){{ ", '|', " if not loop.last }}
    {% endfor -%}
), '||')
{%- endmacro %}
