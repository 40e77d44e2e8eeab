{% set instants = {
    'received_at': 'received',
    'sent_at': 'sent',
    'original_timestamp': 'original_time',
    'sent_timestamp': 'stated_time',
} %}
{% set properties = 'coalesce(calls.properties, calls.traits)' %}

with messages as (

    select * from {{ ref('raw_messages') }}
    where source = 'collector'

),

event_aliases as (

    {{ event_alias_keys(ref('event_aliases')) | indent(4) }}

),

typed_messages as (

    select
        *,
        {% for text, instant in instants.items() %}
        {{ try_timestamp(text) }} as {{ instant }},
        {% endfor %}
        {{ event_key('event') }} as event_key
    from messages

),

calls as (

    {# The device clock may be wrong, but it measured the delay before sending correctly. #}
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
    from typed_messages

),

renamed_messages as (

    select
        {# A plain column, so that a search for a few ids reads only its part of the archive. #}
        calls.message_id as event_id,
        case
            when calls.type in ('page', 'screen') then 'page_view'
            when calls.type in ('identify', 'group', 'alias') then calls.type
            else coalesce(event_aliases.event_name, calls.event_key)
        end as event_name,
        'collector' as source,
        coalesce(
            {{ trimmed('calls.anonymous_id') | indent(12) }},
            {# An alias call has the other id of the person. #}
            case when calls.type = 'alias' then {{ trimmed('calls.previous_id') | indent(12) }} end
        ) as anonymous_id,
        calls.user_id,
        calls.happened as occurred_at,
        calls.arrived as received_at,
        {% call(texts) with_json_texts('calls.context', ['device.type', 'library.name']) -%}
        case
            when lower({{ texts[0] }}) in ('ios', 'android') or calls.type = 'screen' then 'app'
            when {{ is_server_library(texts[1]) }} then 'server'
            else 'web'
        end
        {%- endcall %} as platform,
        calls.context,
        {# Properties that a warehouse filled by the tracker has as columns of the call. #}
        case
            when calls.type in ('page', 'screen')
                then {{ json_with(properties, 'name', 'calls.name') | indent(16) }}
            when calls.type = 'group'
                then {{ json_with(
                    properties, 'group_id', "nullif(trim(calls.group_id), '')"
                ) | indent(16) }}
            else {{ properties }}
        end as properties,
        {{ identifier_object({'email': 'calls.email', 'phone': 'calls.phone'}) | indent(8) }}
            as identifiers,
        calls.landed_file,
        calls.landed_line,
        cast(1 as bigint) as landed_part,
        calls.landed_at,
        coalesce(
            calls.problem,
            {% for text, instant in instants.items() %}
            case
                when trim(calls.{{ text }}) <> '' and calls.{{ instant }} is null
                    then '{{ text }} is not a valid timestamp'
            end{{ ',' if not loop.last }}
            {% endfor %}
        ) as problem,
        calls.original
    from calls
    left join event_aliases
        on calls.event_key = event_aliases.event_key

)

select * from renamed_messages
