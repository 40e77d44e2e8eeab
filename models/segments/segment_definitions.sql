{# The versions of segments, as builds have used them. A build writes all rows of its segments. #}
with declarations as (

    {% for each in definition_versions() %}
    select
        '{{ each.name }}' as segment_name,
        '{{ each.version }}' as version,
        {{ text_literal(each.definition) }} as definition
    {{ 'union all' if not loop.last }}
    {% else %}
    select
        cast(null as varchar) as segment_name,
        cast(null as varchar) as version,
        cast(null as varchar) as definition
    where false
    {% endfor %}

),

former as (

    {% if is_incremental() %}
    select
        *,
        max(last_built_at) over (partition by segment_name) as segment_built_at
    from {{ this }}
    {% else %}
    select
        cast(null as varchar) as segment_name,
        cast(null as varchar) as version,
        cast(null as varchar) as definition,
        false as is_current,
        cast(null as timestamp) as first_built_at,
        cast(null as timestamp) as current_since,
        cast(null as timestamp) as build_before_at,
        cast(null as timestamp) as last_built_at,
        cast(null as timestamp) as segment_built_at
    where false
    {% endif %}

),

versions as (

    select
        coalesce(declarations.segment_name, former.segment_name) as segment_name,
        coalesce(declarations.version, former.version) as version,
        coalesce(declarations.definition, former.definition) as definition,
        declarations.version is not null as is_current,
        coalesce(former.is_current, false) as was_current,
        former.first_built_at,
        former.current_since,
        former.build_before_at,
        former.last_built_at,
        max(former.segment_built_at) over (
            partition by coalesce(declarations.segment_name, former.segment_name)
        ) as segment_built_at
    from declarations
    full outer join former
        on
            declarations.segment_name = former.segment_name
            and declarations.version = former.version

)

select
    versions.segment_name || ':' || versions.version as definition_id,
    versions.segment_name,
    versions.version,
    versions.definition,
    versions.is_current,
    coalesce(versions.first_built_at, data_clock.as_of) as first_built_at,
    case
        when versions.is_current and not versions.was_current then data_clock.as_of
        else versions.current_since
    end as current_since,
    case
        when not versions.is_current then versions.build_before_at
        {# The same build again, with the same clock. #}
        when versions.was_current and versions.last_built_at = data_clock.as_of
            then versions.build_before_at
        else versions.segment_built_at
    end as build_before_at,
    case
        when versions.is_current then data_clock.as_of else versions.last_built_at
    end as last_built_at
from versions
cross join {{ ref('data_clock') }} as data_clock
