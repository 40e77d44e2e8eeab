{% set instants = {
    'received_at': 'received',
    'sent_at': 'sent',
    'original_timestamp': 'original_time',
    'sent_timestamp': 'stated_time',
} %}

with raw_messages as (

    select * from {{ ref('raw_messages') }}

),

event_aliases as (

    select * from {{ ref('event_aliases') }}

),

typed as (

    select
        *,
        {% for text, instant in instants.items() %}
        {{ try_timestamp(text) }} as {{ instant }},
        {% endfor %}
        {{ json_text('context', 'device.type') }} as device_type,
        {{ json_text('context', 'library.name') }} as library_name
    from raw_messages

),

timed as (

    {# The device's own clock may be wrong, but it measured the wait before sending rightly. #}
    select
        *,
        coalesce(received, sent, stated_time, original_time) as arrived,
        case
            when received is not null and sent is not null and original_time is not null
                then {{ add_microseconds(
                    'received', "-datediff('microsecond', original_time, sent)"
                ) }}
            else coalesce(stated_time, original_time, sent, received)
        end as happened
    from typed

),

renamed as (

    select
        timed.message_id as event_id,
        coalesce(
            event_aliases.event_name,
            case
                when timed.type in ('page', 'screen') then 'page_view'
                when timed.type in ('identify', 'group', 'alias') then timed.type
                else lower(replace(trim(timed.event), ' ', '_'))
            end
        ) as event_name,
        'collector' as source,
        nullif(trim(timed.anonymous_id), '') as anonymous_id,
        nullif(trim(timed.user_id), '') as user_id,
        {# Nothing happens after it was received: a clock that says so is ahead of its time. #}
        case
            when timed.happened > timed.arrived then timed.arrived
            else timed.happened
        end as occurred_at,
        timed.arrived as received_at,
        case
            when lower(timed.device_type) in ('ios', 'android') or timed.type = 'screen' then 'app'
            when timed.library_name like '%server%' then 'server'
            else 'web'
        end as platform,
        timed.context,
        coalesce(timed.properties, timed.traits) as properties,
        {{ json_object({
            'email': 'coalesce('
                ~ json_text('timed.traits', 'email') ~ ', '
                ~ json_text('timed.context', 'traits.email') ~ ', '
                ~ json_text('timed.properties', 'email') ~ ')',
        }) }} as identifiers,
        timed.landed_file,
        timed.landed_line,
        timed.landed_at,
        coalesce(
            timed.problem,
            {% for text, instant in instants.items() %}
            case
                when trim(timed.{{ text }}) <> '' and timed.{{ instant }} is null
                    then '{{ text }} is no instant in ISO 8601'
            end{{ ',' if not loop.last }}
            {% endfor %}
        ) as problem,
        timed.original
    from timed
    left join event_aliases
        on timed.event = event_aliases.alias

)

select * from renamed
