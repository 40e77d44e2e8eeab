{% set reasons = {} %}
{% for rule in exact_declarations().rules %}
{% do reasons.update({rule.name: rule.because}) %}
{% endfor %}
{% set versions = {} %}
{% for each in definition_versions() %}
{% do versions.update({each.name: each.version}) %}
{% endfor %}
{% set entries = catalog_entries().segments %}
{% set headlines = {} %}
{% for each in declared_creatives() %}
{% do headlines.update({each.name: each.spec.fields.headline}) %}
{% endfor %}

with events_read as (

    {{ events_read(entries) | indent(4) }}

),

newest_events as (

    select
        events_read.name,
        max(newest_events.occurred_at) as newest_event_at
    from events_read
    inner join {{ ref('newest_events') }} as newest_events
        on events_read.event_name in (newest_events.event_name, '*')
    group by events_read.name

),

memberships as (

    select
        segment_name,
        count(*) as profile_count
    from {{ ref('segment_memberships') }}
    group by segment_name

),

changes as (

    select
        segment_name,
        max(coalesce(left_at, entered_at)) as last_changed_at
    from {{ ref('segment_stays') }}
    group by segment_name

),

declarations as (

    {% for segment in declared_segments() %}
    {% set syncs = audience_syncs(segment.name) | join(',') %}
    {% set template = segment.spec.creative.template if segment.spec.creative is mapping %}
    select
        '{{ segment.name }}' as segment_name,
        {{ text_literal(segment.spec.label) }} as label,
        {{ text_literal(segment.spec.description) }} as description,
        {{ text_literal(segment.spec.when) }} as rule,
        {{ text_literal(segment.spec.owner) }} as owner,
        {{ segment.spec.priority }} as priority,
        {{ optional_text(segment.spec.extends) }} as extended_segment,
        {{ optional_text(segment.spec.exclusive) }} as exclusive_group,
        {{ optional_text(headlines[template] if template else segment.spec.creative) }} as creative,
        {{ optional_text(template) }} as creative_template,
        {{ optional_text(segment.spec.tags | join(',')) }} as tags,
        {{ "timestamp '" ~ segment.spec.frozen_at ~ "'" if segment.spec.frozen_at
            else 'cast(null as timestamp)' }} as frozen_at,
        '{{ segment.spec.lifecycle }}' as lifecycle,
        {{ text_literal(segment.file) }} as declared_in,
        {{ optional_text(reasons.get(segment.name)) }} as without_intervals_because,
        '{{ entries[segment.name].kind }}' as kind,
        {{ optional_text(versions.get(segment.name)) }} as version,
        {{ optional_text(syncs if segment.spec.lifecycle == 'live') }} as destinations
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
        cast(null as varchar) as creative_template,
        cast(null as varchar) as tags,
        cast(null as timestamp) as frozen_at,
        cast(null as varchar) as lifecycle,
        cast(null as varchar) as declared_in,
        cast(null as varchar) as without_intervals_because,
        cast(null as varchar) as kind,
        cast(null as varchar) as version,
        cast(null as varchar) as destinations
    where false
    {% endfor %}

)

select
    declarations.*,
    newest_events.newest_event_at,
    coalesce(memberships.profile_count, 0) as profile_count,
    changes.last_changed_at
from declarations
left join memberships
    on declarations.segment_name = memberships.segment_name
left join changes
    on declarations.segment_name = changes.segment_name
left join newest_events
    on declarations.segment_name = newest_events.name
