{#- The problem of a Stripe row, which also is that it was made in test mode: no money moved. -#}
{% macro test_mode_problem() -%}
coalesce(problem, case when lower(livemode) in ('false', 'f', '0') then 'livemode is false' end)
{%- endmacro %}
