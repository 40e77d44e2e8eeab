{#-
    One trait as an aggregate expression; `counter` is its column of `trait_counters`. Numbers are
    rounded to six digits so that summation order cannot change results.
-#}
{% macro trait_expression(trait, plan, counter) %}
    {%- set spec = trait.spec -%}
    {%- set condition = trait_condition(trait, plan) -%}
    {%- set text = json_text('properties', spec.property) | trim if spec.property else none -%}
    {%- set number = try_number(text) | trim if text else none -%}
    {%- set numeric = {'sum': 'sum', 'average': 'avg', 'min': 'min', 'max': 'max'} -%}
    {%- if spec.aggregate == 'count' -%}
        count(case when {{ condition }} then 1 end)
    {%- elif spec.aggregate == 'count_distinct' -%}
        count(distinct case when {{ condition }} then {{ text }} end)
    {%- elif spec.aggregate == 'sum' -%}
        round(coalesce(sum(case when {{ condition }} then {{ number }} end), 0), 6)
    {%- elif spec.aggregate in numeric -%}
        round({{ numeric[spec.aggregate] }}(case when {{ condition }} then {{ number }} end), 6)
    {%- elif spec.aggregate in ['first_at', 'last_at'] -%}
        {{ 'min' if spec.aggregate == 'first_at' else 'max' }}(
            case when {{ condition }} then occurred_at end
        )
    {%- elif spec.aggregate == 'most_frequent' -%}
        max_by(
            {{ text }},
            case
                when {{ condition }} and {{ text }} is not null
                    then {{ counter }} * 1000000000 + event_number
            end
        )
    {%- else -%}
        {{ 'min_by' if spec.aggregate == 'first' else 'max_by' }}(
            {{ text }},
            case when {{ condition }} and {{ text }} is not null then event_number end
        )
    {%- endif -%}
{% endmacro %}
