with declarations as (

    {% for experiment in declared_experiments() %}
    select
        '{{ experiment.name }}' as experiment_name,
        {{ text_literal(experiment.spec.description) }} as description,
        {{ text_literal(experiment.spec.owner) }} as owner,
        '{{ experiment.spec.segments | join(",") }}' as segments,
        '{{ experiment.arms }}' as arms,
        '{{ experiment.spec.outcomes | map(attribute="name") | join(",") }}' as outcomes,
        cast('{{ experiment.starts }}' as timestamp) as starts_at,
        cast(
            {{ "'" ~ experiment.ends ~ "'" if experiment.ends else 'null' }} as timestamp
        ) as ends_at,
        '{{ experiment.spec.lifecycle }}' as lifecycle,
        {{ text_literal(experiment.file) }} as declared_in
    {{ 'union all' if not loop.last }}
    {% else %}
    select
        cast(null as varchar) as experiment_name,
        cast(null as varchar) as description,
        cast(null as varchar) as owner,
        cast(null as varchar) as segments,
        cast(null as varchar) as arms,
        cast(null as varchar) as outcomes,
        cast(null as timestamp) as starts_at,
        cast(null as timestamp) as ends_at,
        cast(null as varchar) as lifecycle,
        cast(null as varchar) as declared_in
    where false
    {% endfor %}

)

select
    declarations.*,
    declarations.lifecycle = 'live'
    and declarations.starts_at <= data_clock.as_of
    and (declarations.ends_at is null or declarations.ends_at > data_clock.as_of) as is_running,
    data_clock.as_of
from declarations
cross join {{ ref('data_clock') }} as data_clock
