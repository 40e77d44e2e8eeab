{#- A campaign as one text, different for each campaign; null if there is none. -#}
{% macro campaign_text(context) -%}
nullif(concat(
    {% for part in ['source', 'medium', 'name'] -%}
    coalesce({{ json_text(context, 'campaign.' ~ part) }}, ''){{ ", '|', " if not loop.last }}
    {% endfor -%}
), '||')
{%- endmacro %}
