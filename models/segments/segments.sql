{% set reasons = {} %}
{% for rule in exact_declarations().rules %}
{% do reasons.update({rule.name: rule.because}) %}
{% endfor %}

with memberships as (

    select
        segment_name,
        count(*) as profile_count
    from {{ ref('segment_memberships') }}
    group by segment_name

),

declarations as (

    {% for segment in declared_segments() %}
    select
        '{{ segment.name }}' as segment_name,
        {{ text_literal(segment.spec.label) }} as label,
        {{ text_literal(segment.spec.description) }} as description,
        {{ text_literal(segment.spec.when) }} as rule,
        {{ text_literal(segment.spec.owner) }} as owner,
        {{ segment.spec.priority }} as priority,
        {{ optional_text(segment.spec.extends) }} as extended_segment,
        {{ optional_text(segment.spec.exclusive) }} as exclusive_group,
        {{ optional_text(segment.spec.creative) }} as creative,
        {{ optional_text(segment.spec.tags | join(',')) }} as tags,
        '{{ segment.spec.lifecycle }}' as lifecycle,
        {{ text_literal(segment.file) }} as declared_in,
        {{ optional_text(reasons.get(segment.name)) }} as without_intervals_because
    {{ 'union all' if not loop.last }}
    {% else %}
    select
        cast(null as varchar) as segment_name,
        cast(null as varchar) as label,
        cast(null as varchar) as description,
        cast(null as varchar) as rule,
        cast(null as varchar) as owner,
        cast(null as integer) as priority,
        cast(null as varchar) as extended_segment,
        cast(null as varchar) as exclusive_group,
        cast(null as varchar) as creative,
        cast(null as varchar) as tags,
        cast(null as varchar) as lifecycle,
        cast(null as varchar) as declared_in,
        cast(null as varchar) as without_intervals_because
    where false
    {% endfor %}

)

select
    declarations.*,
    coalesce(memberships.profile_count, 0) as profile_count
from declarations
left join memberships
    on declarations.segment_name = memberships.segment_name
