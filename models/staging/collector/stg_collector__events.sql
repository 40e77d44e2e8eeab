{% set instants = {
    'received_at': 'received',
    'sent_at': 'sent',
    'original_timestamp': 'original_time',
    'sent_timestamp': 'stated_time',
} %}

with messages as (

    select * from {{ ref('raw_messages') }}
    where source = 'collector'

),

event_aliases as (

    {{ event_alias_keys(ref('event_aliases')) | indent(4) }}

),

typed as (

    select
        *,
        {% for text, instant in instants.items() %}
        {{ try_timestamp(text) }} as {{ instant }},
        {% endfor %}
        {{ event_key('event') }} as event_key
    from messages

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
        end as happened,
        coalesce(
            {{ json_text('traits', 'email') }},
            {{ json_text('context', 'traits.email') }},
            {{ json_text('properties', 'email') }}
        ) as email
    from typed

),

renamed as (

    select
        timed.message_id as event_id,
        case
            when timed.type in ('page', 'screen') then 'page_view'
            when timed.type in ('identify', 'group', 'alias') then timed.type
            else coalesce(event_aliases.event_name, timed.event_key)
        end as event_name,
        'collector' as source,
        coalesce(
            nullif(trim(timed.anonymous_id), ''),
            {# An alias call names the other id of the person. #}
            case when timed.type = 'alias' then nullif(trim(timed.previous_id), '') end
        ) as anonymous_id,
        nullif(trim(timed.user_id), '') as user_id,
        timed.happened as occurred_at,
        timed.arrived as received_at,
        {% call(texts) with_json_texts('timed.context', ['device.type', 'library.name']) -%}
        case
            when lower({{ texts[0] }}) in ('ios', 'android') or timed.type = 'screen' then 'app'
            when {{ texts[1] }} like '%server%' then 'server'
            else 'web'
        end
        {%- endcall %} as platform,
        timed.context,
        coalesce(timed.properties, timed.traits) as properties,
        case
            when timed.email is not null then {{ json_object({'email': 'timed.email'}) }}
        end as identifiers,
        timed.landed_file,
        timed.landed_line,
        cast(1 as bigint) as landed_part,
        timed.landed_at,
        coalesce(
            timed.problem,
            {% for text, instant in instants.items() %}
            case
                when trim(timed.{{ text }}) <> '' and timed.{{ instant }} is null
                    then '{{ text }} is no instant'
            end{{ ',' if not loop.last }}
            {% endfor %}
        ) as problem,
        timed.original
    from timed
    left join event_aliases
        on timed.event_key = event_aliases.event_key

)

select * from renamed
