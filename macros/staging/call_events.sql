{#-
    The calls of Segment or RudderStack in the universal event schema; both fill a warehouse in the
    same way.

    A tracked event has two rows: one in `tracks`, with person and time, and one in the table of the
    event, with the properties too. Both rows have the id of the event, so one is the event and the
    other its duplicate. The set of existing tables must not decide which, since a table may arrive
    one load later than `tracks`. The rows decide: a row with properties sorts before one without
    (`int_events_deduplicated`). If only `tracks` has the event, its row is the event.
-#}
{% macro call_events(source) %}
{%- set instants = ['timestamp', 'original_timestamp', 'sent_at', 'received_at'] -%}
{%- set envelope = instants + [
    'id', 'anonymous_id', 'user_id', 'event', 'event_text', 'channel', 'uuid', 'uuid_ts',
    'loaded_at',
] -%}
{%- set text = field_texts('record', envelope + ['previous_id', 'phone']) -%}
{%- set context = {
    'userAgent': json_text('record', 'context_user_agent'),
    'ip': json_text('record', 'context_ip'),
    'locale': json_text('record', 'context_locale'),
    'timezone': json_text('record', 'context_timezone'),
} -%}
{%- for part, names in {
    'page': ['url', 'path', 'title', 'referrer', 'search'],
    'campaign': ['source', 'medium', 'name', 'term', 'content'],
    'device': ['id', 'type', 'manufacturer', 'model'],
    'os': ['name', 'version'],
    'app': ['name', 'version'],
    'library': ['name', 'version'],
}.items() -%}
    {%- set pairs = {} -%}
    {%- for name in names -%}
        {%- do pairs.update({name: json_text('record', 'context_' ~ part ~ '_' ~ name)}) -%}
    {%- endfor -%}
    {%- do context.update({part: json_object(pairs)}) -%}
{%- endfor -%}
with call_rows as (

    {{ call_rows(source, ['uuid_ts', 'loaded_at']) | indent(4) }}

),

event_aliases as (

    {{ event_alias_keys(ref('event_aliases')) | indent(4) }}

),

calls as (

    select
        *,
        {{ text.id }} as call_id,
        {{ first_text('record', ['event_text', 'event']) }} as sent_name,
        case table_name
            when 'pages' then 'page_view'
            when 'screens' then 'page_view'
            when 'identifies' then 'identify'
            when 'groups' then 'group'
            when 'aliases' then 'alias'
        end as call_name,
        {% for instant in instants %}
        {{ try_timestamp(text[instant]) }} as read_{{ instant }},
        {% endfor %}
        lower({{ json_text('record', 'channel') }}) as channel,
        lower({{ json_text('record', 'context_device_type') }}) as device_type,
        {{ json_text('record', 'context_library_name') }} as library_name,
        {{ first_text('record', ['email', 'context_traits_email']) }} as email,
        case when table_name = 'identifies' then {{ text.phone }} end as phone
    from call_rows

),

judged_calls as (

    select
        * exclude (problem),
        coalesce(
            problem,
            case
                when table_name is null then 'not in the folder of a table'
                when call_name is null and sent_name is null
                    then 'not a table of calls: ' || table_name
                when call_id is null then 'no event id'
            end,
            {% for instant in instants %}
            case
                when {{ text[instant] }} is not null and read_{{ instant }} is null
                    then '{{ instant }} is not a valid timestamp'
            end{{ ',' if not loop.last }}
            {% endfor %}
        ) as problem
    from calls

)

select
    calls.call_id as event_id,
    coalesce(
        calls.call_name,
        event_aliases.event_name,
        {{ event_key('calls.sent_name') }}
    ) as event_name,
    '{{ source }}' as source,
    coalesce(
        {{ text.anonymous_id }},
        {# `alias` has the previous id of the user, usually that of a cookie. #}
        case when calls.table_name = 'aliases' then {{ text.previous_id }} end
    ) as anonymous_id,
    {{ text.user_id }} as user_id,
    coalesce(
        calls.read_timestamp, calls.read_original_timestamp, calls.read_sent_at,
        calls.read_received_at
    ) as occurred_at,
    coalesce(
        calls.read_received_at, calls.read_sent_at, calls.read_timestamp,
        calls.read_original_timestamp
    ) as received_at,
    case
        when
            calls.device_type in ('ios', 'android')
            or calls.channel = 'mobile'
            or calls.table_name = 'screens'
            then 'app'
        when
            calls.channel in ('server', 'sources')
            or {{ is_server_library('calls.library_name') }}
            then 'server'
        else 'web'
    end as platform,
    {{ json_object(context) | indent(4) }} as context,
    case
        when calls.table_name <> 'tracks'
            then {{ json_without('calls.record', envelope, 'context_') | indent(12) }}
    end as properties,
    {{ identifier_object({'email': 'calls.email', 'phone': 'calls.phone'}) | indent(4) }}
        as identifiers,
    calls.landed_file,
    calls.landed_line,
    cast(1 as bigint) as landed_part,
    calls.landed_at,
    calls.problem,
    case
        when calls.problem is not null then coalesce(calls.original, cast(calls.record as varchar))
    end as original
from judged_calls as calls
left join event_aliases
    on {{ event_key('calls.sent_name') }} = event_aliases.event_key
    and calls.call_name is null
{% endmacro %}

{#-
    Whether a library that sent a call runs on a server, by its name: `analytics-node`. The
    browser's `analytics.js` skips the regular expression.
-#}
{% macro is_server_library(name) -%}
case
    when
        {{ name }} like '%-%'
        or lower({{ name }}) like '%.net%'
        or lower({{ name }}) like '%server%'
        then {{ matches(name, '-(node|python|ruby|php)|-(java|go)([^a-z]|$)|[.]net|server') }}
    else false
end
{%- endmacro %}
