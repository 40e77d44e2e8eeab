{#-
    The declared experiments as a list of {name, spec, ranges, starts, ends, is_of_shop, file,
    place}; those of the shop only if the var `shop` is true. Empty while dbt only parses.
-#}
{% macro declared_experiments() %}
    {{ return(declarations().experiments(var('shop')) if execute else []) }}
{% endmacro %}

{#- Those that may run, by place; the others are a draft or retired. -#}
{% macro live_experiments() %}
    {{ return(declared_experiments() | selectattr('spec.lifecycle', 'equalto', 'live') | list) }}
{% endmacro %}

{#- The live experiments between whose arms messages can differ: those with several treated. -#}
{% macro experiments_with_texts() %}
    {%- set found = [] -%}
    {%- for experiment in live_experiments() if experiment.ranges | length > 2 -%}
        {%- do found.append(experiment) -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{#- A select with a row per live experiment and segment: experiment_name, segment_name. -#}
{% macro experiment_segments() %}
    {%- for experiment in live_experiments() %}
    select
        '{{ experiment.name }}' as experiment_name,
        segments.segment_name
    from {{ ref('segments') }} as segments
    {%- if '*' not in experiment.spec.segments %}
    where segments.segment_name in ('{{ experiment.spec.segments | join("', '") }}')
    {%- endif %}
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        cast(null as varchar) as experiment_name,
        segments.segment_name
    from {{ ref('segments') }} as segments
    where false
    {%- endfor %}
{%- endmacro %}

{#-
    A number in [0, 1) from the first eight digits of a hash in hex, the same in each warehouse.
    Each multiple of 2^-32 is as probable as any other.
-#}
{% macro draw_of(hash) -%}
    cast(
        {%- for place in range(1, 9) %}
        (
            ascii(substr({{ hash }}, {{ place }}, 1))
            - case when substr({{ hash }}, {{ place }}, 1) > '9' then 87 else 48 end
        )
        * cast({{ 16 ** (8 - place) }} as bigint){{ ' +' if not loop.last }}
        {%- endfor %}
        as double
    ) / 4294967296
{%- endmacro %}

{#-
    How many standard errors an interval of 95% reaches if each build is looked at, not one alone:
    a mixture of normals over the effect (docs/reference/experiments.md). `first` and `second` are
    the sizes of the two arms; it is smallest for 1,000 people in each.
-#}
{% macro standard_errors(first, second) -%}
    {%- set product, sum = first ~ ' * ' ~ second, first ~ ' + ' ~ second -%}
    {%- set ratio = '(0.017 * ' ~ product ~ ' / (' ~ sum ~ '))' -%}
    sqrt((1 + 1 / {{ ratio }}) * (ln(1 + {{ ratio }}) + 2 * ln(20)))
{%- endmacro %}

{#-
    A bound of the interval of a mean: the score interval of Wilson for a rate, else that of a
    normal mean. `side` is -1 for the lower bound, 1 for the upper. It reads the columns `measure`,
    `errors` and `pooled_variance`.
-#}
{% macro bound_of(mean, variance, people, side) -%}
    case measure
        when 'rate'
            then (
                {{ mean }} + errors * errors / (2 * {{ people }})
                + ({{ side }}) * errors * sqrt(
                    {{ mean }} * (1 - {{ mean }}) / {{ people }}
                    + errors * errors / (4 * {{ people }} * {{ people }})
                )
            ) / (1 + errors * errors / {{ people }})
        else
            {{ mean }}
            + ({{ side }}) * errors * sqrt(greatest({{ variance }}, pooled_variance) / {{ people }})
    end
{%- endmacro %}
