{#- The label of a segment, such as `New prospect – {top_category}`, as an SQL text expression. -#}
{% macro label_expression(segment, types) %}
    {{ return(declarations().label_sql(
        segment.place, segment.spec.label, types, target.type, hint=shop_hint()
    )) }}
{% endmacro %}

{#- A text that a person wrote, as an SQL literal. -#}
{% macro text_literal(text) %}
    {{ return(declarations().text_sql(text, target.type)) }}
{% endmacro %}
