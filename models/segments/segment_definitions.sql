{#
    The versions of segments, as builds have used them. It follows the history of memberships, so
    that a build that stops before it has used no version.
#}
-- depends_on: {{ ref('segment_membership_history') }}
{% set versions = definition_versions() %}
{% set commits = commits_of_new_versions(versions) %}
{# A table that an earlier release built has no columns for them. #}
{% set built = adapter.get_columns_in_relation(this) if is_incremental() else [] %}
{% set has_commits = 'commit_id' in built | map(attribute='name') | map('lower') %}

with declarations as (

    {% for each in versions %}
    {% set commit = commits[each.file] | default({}) %}
    select
        '{{ each.name }}' as segment_name,
        '{{ each.version }}' as version,
        {{ text_literal(each.definition) }} as definition,
        {{ optional_text(commit.author) }} as author,
        {{ optional_text(commit.commit_id) }} as commit_id
    {{ 'union all' if not loop.last }}
    {% else %}
    select
        cast(null as varchar) as segment_name,
        cast(null as varchar) as version,
        cast(null as varchar) as definition,
        cast(null as varchar) as author,
        cast(null as varchar) as commit_id
    where false
    {% endfor %}

),

former as (

    {% if is_incremental() %}
    select
        segment_name,
        version,
        definition,
        {{ 'author' if has_commits else 'cast(null as varchar) as author' }},
        {{ 'commit_id' if has_commits else 'cast(null as varchar) as commit_id' }},
        is_current,
        first_built_at,
        build_before_at,
        last_built_at,
        max(case when is_current then last_built_at end) over (
            partition by segment_name
        ) as segment_built_at
    from {{ this }}
    {% else %}
    select
        cast(null as varchar) as segment_name,
        cast(null as varchar) as version,
        cast(null as varchar) as definition,
        cast(null as varchar) as author,
        cast(null as varchar) as commit_id,
        false as is_current,
        cast(null as timestamp) as first_built_at,
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
        case
            when former.version is null then declarations.author else former.author
        end as author,
        case
            when former.version is null then declarations.commit_id else former.commit_id
        end as commit_id,
        declarations.version is not null as is_current,
        coalesce(former.is_current, false) as was_current,
        former.first_built_at,
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
    versions.author,
    versions.commit_id,
    versions.is_current,
    versions.is_current and not versions.was_current as is_new,
    coalesce(versions.first_built_at, data_clock.as_of) as first_built_at,
    case
        when versions.is_current then versions.segment_built_at else versions.build_before_at
    end as build_before_at,
    case
        when versions.is_current then data_clock.as_of else versions.last_built_at
    end as last_built_at
from versions
cross join {{ ref('data_clock') }} as data_clock
