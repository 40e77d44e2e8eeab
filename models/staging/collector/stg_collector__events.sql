{% set instants = {
    'received_at': 'received',
    'sent_at': 'sent',
    'original_timestamp': 'original_time',
    'sent_timestamp': 'stated_time',
} %}
{% set properties = 'coalesce(timed.properties, timed.traits)' %}

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
            {{ first_text('traits', ['email']) }},
            nullif(trim({{ json_text('context', 'traits.email') }}), ''),
            {{ first_text('properties', ['email']) }}
        ) as email,
        case when type = 'identify' then {{ first_text('traits', ['phone']) }} end as phone
    from typed

),

renamed as (

    select
        {# Just the column: whoever looks for a few ids then reads no more of the archive. #}
        timed.message_id as event_id,
        case
            when timed.type in ('page', 'screen') then 'page_view'
            when timed.type in ('identify', 'group', 'alias') then timed.type
            else coalesce(event_aliases.event_name, timed.event_key)
        end as event_name,
        'collector' as source,
        coalesce(
            {{ trimmed('timed.anonymous_id') | indent(12) }},
            {# An alias call names the other id of the person. #}
            case when timed.type = 'alias' then {{ trimmed('timed.previous_id') | indent(12) }} end
        ) as anonymous_id,
        timed.user_id,
        timed.happened as occurred_at,
        timed.arrived as received_at,
        {% call(texts) with_json_texts('timed.context', ['device.type', 'library.name']) -%}
        case
            when lower({{ texts[0] }}) in ('ios', 'android') or timed.type = 'screen' then 'app'
            when {{ is_server_library(texts[1]) }} then 'server'
            else 'web'
        end
        {%- endcall %} as platform,
        timed.context,
        {# What a warehouse that the tracker fills has among the columns of the call. #}
        case
            when timed.type in ('page', 'screen')
                then {{ json_with(properties, 'name', 'timed.name') | indent(16) }}
            when timed.type = 'group'
                then {{ json_with(
                    properties, 'group_id', "nullif(trim(timed.group_id), '')"
                ) | indent(16) }}
            else {{ properties }}
        end as properties,
        {{ identifier_object({'email': 'timed.email', 'phone': 'timed.phone'}) | indent(8) }}
            as identifiers,
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
