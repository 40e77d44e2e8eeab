{#-
    The rule of a segment as SQL over the columns of `profile_attributes`, whose `types` these are.
    A wrong label stops the build here too, before anybody is in the segment.
-#}
{% macro segment_condition(segment, types) %}
    {%- do label_expression(segment, types) -%}
    {{ return(declarations().rule_sql(
        segment.place ~ ': `rule`', segment.spec.rule, types, target.type, hint=shop_hint()
    )) }}
{% endmacro %}
