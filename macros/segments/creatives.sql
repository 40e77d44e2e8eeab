{#-
    The declared creatives as a list of {name, spec, is_of_shop, file, place}; those of the shop
    only if the var `shop` is true. Empty while dbt only parses.
-#}
{% macro declared_creatives() %}
    {{ return(declarations().creatives(var('shop')) if execute else []) }}
{% endmacro %}

{#-
    What `activation_audiences` shows of the creatives of segments that are no drafts: `joins`, the
    products to look up, and `columns`, as `tideline/declarations/creative_sql.py` has them.
-#}
{% macro audience_creatives() %}
    {%- set nothing = {'joins': [], 'columns': []} -%}
    {{ return(
        declarations().audience_creatives(var('shop'), target.type) if execute else nothing
    ) }}
{% endmacro %}

{#- The columns of audiences with parts of creatives, besides `creative`, which is always there. -#}
{% macro creative_columns() %}
    {{ return(audience_creatives()['columns'] | rejectattr('part', 'equalto', 'headline') | list) }}
{% endmacro %}
