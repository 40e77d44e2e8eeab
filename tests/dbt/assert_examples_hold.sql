{#
    The examples of the segments hold. DuckDB in memory computes them while this is compiled, on
    each target, by the SQL of the models. A failure stops the build before anybody is in a segment.
#}
-- depends_on: {{ ref('profile_segments') }}
{% set failures = declarations().examples_that_fail(var('shop')) if execute else [] %}
{% for failure in failures %}{% do exceptions.warn(failure) %}{% endfor %}

with failures as (

    {% for failure in failures %}
    select {{ text_literal(failure) }} as failure
    {{ 'union all' if not loop.last }}
    {% else %}
    select cast(null as varchar) as failure
    where false
    {% endfor %}

)

select * from failures
