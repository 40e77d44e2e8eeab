{#- The models that are trained and score; `bundle_purchase` belongs to the sample shop. -#}
{% macro declared_models() %}
    {{ return(['churn', 'bundle_purchase'] if var('shop') else ['churn']) }}
{% endmacro %}
