{% set entries = catalog_entries().traits %}

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

declarations as (

    {% for trait in declared_traits() %}
    select
        '{{ trait.name }}' as trait_name,
        {{ text_literal(trait.spec.description) }} as description,
        {{ optional_text(trait.spec.event | join(',') or none) }} as events,
        {{ optional_text(trait.spec.aggregate) }} as aggregate,
        {{ optional_text(trait.spec.property) }} as property,
        '{{ entries[trait.name].type }}' as data_type,
        {{ optional_text(trait.spec.where) }} as condition,
        {{ optional_text(trait.spec.within) }} as within,
        {{ optional_text(trait.spec.before) }} as before,
        {{ optional_text(trait.spec.until | join(',')) }} as until,
        {{ optional_text(
            trait.spec.after | map(attribute='event') | map('join', ',') | join(' > ')
        ) }} as after,
        {{ optional_text(trait.spec.list) }} as list_name,
        {{ optional_text(trait.spec.formula) }} as formula,
        {{ optional_text(trait.spec.sent_as) }} as sent_as,
        {{ trait.is_of_shop | lower }} as is_of_shop,
        {{ text_literal(trait.file) }} as declared_in,
        {{ optional_text(entries[trait.name].read_by | join(',')) }} as read_by
    {{ 'union all' if not loop.last }}
    {% else %}
    select
        cast(null as varchar) as trait_name,
        cast(null as varchar) as description,
        cast(null as varchar) as events,
        cast(null as varchar) as aggregate,
        cast(null as varchar) as property,
        cast(null as varchar) as data_type,
        cast(null as varchar) as condition,
        cast(null as varchar) as within,
        cast(null as varchar) as before,
        cast(null as varchar) as until,
        cast(null as varchar) as after,
        cast(null as varchar) as list_name,
        cast(null as varchar) as formula,
        cast(null as varchar) as sent_as,
        cast(null as boolean) as is_of_shop,
        cast(null as varchar) as declared_in,
        cast(null as varchar) as read_by
    where false
    {% endfor %}

)

select
    declarations.*,
    newest_events.newest_event_at
from declarations
left join newest_events
    on declarations.trait_name = newest_events.name
