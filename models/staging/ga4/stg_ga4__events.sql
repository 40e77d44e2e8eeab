{#
    A GA4 row has no id. If the export numbers the events of a batch, these fields identify the row;
    older exports also need its parameters.
#}
{% set identity = [
    'stream_id', 'user_pseudo_id', 'user_id', 'event_timestamp', 'event_name',
    'event_bundle_sequence_id', 'batch_page_id', 'batch_ordering_id', 'batch_event_index',
] %}
{% set text = field_texts('record', identity + [
    'app_info.id', 'app_info.version', 'collected_traffic_source.manual_campaign_name',
    'collected_traffic_source.manual_content', 'collected_traffic_source.manual_medium',
    'collected_traffic_source.manual_source', 'collected_traffic_source.manual_term',
    'device.category', 'device.language', 'device.mobile_brand_name',
    'device.mobile_model_name', 'device.operating_system',
    'device.operating_system_version', 'event_server_timestamp_offset', 'geo.city',
    'geo.country', 'geo.region', 'platform',
]) %}
{% set param = field_texts('params', [
    'campaign', 'content', 'medium', 'page_location', 'page_referrer', 'page_title',
    'source', 'term',
]) %}

with ga4_rows as (

    {{ source_rows('ga4', 'events') | indent(4) }}

),

event_aliases as (

    {{ event_alias_keys(ref('event_aliases')) | indent(4) }}

),

opened_rows as (

    select
        *,
        {{ text.event_name }} as sent_name,
        {{ try_timestamp(text.event_timestamp) }} as logged_at,
        {{ try_number(text.event_server_timestamp_offset) }} as upload_microseconds,
        {{ json_params(parse_json_text(json_text('record', 'event_params')), {
            'items': parse_json_text(json_text('record', 'items')),
        }) | indent(8) }} as params
    from ga4_rows

),

described_rows as (

    select
        * exclude (problem),
        coalesce(
            problem,
            case
                when {{ text.event_timestamp }} is not null and logged_at is null
                    then 'event_timestamp is not a valid timestamp'
            end
        ) as problem,
        {{ param.page_location }} as page_url,
        lower({{ text.platform }}) as stream_platform
    from opened_rows

)

select
    md5(
        {%- for field in identity %}
        coalesce({{ text[field] }}, '') || '/' ||
        {%- endfor %}
        case
            when {{ text.batch_event_index }} is null
                then coalesce(cast(described_rows.params as varchar), '')
            else ''
        end
    ) as event_id,
    coalesce(event_aliases.event_name, {{ event_key('described_rows.sent_name') }}) as event_name,
    'ga4' as source,
    {{ text.user_pseudo_id }} as anonymous_id,
    {{ text.user_id }} as user_id,
    described_rows.logged_at as occurred_at,
    {#
       The export does not have the time of receipt, but the delay until the device sent the event;
       GA4 rejects delays of more than three days.
    #}
    case
        when described_rows.upload_microseconds between 0 and 259200000000
            then {{ add_microseconds(
                'described_rows.logged_at', 'cast(described_rows.upload_microseconds as bigint)'
            ) }}
        else described_rows.logged_at
    end as received_at,
    case
        when described_rows.stream_platform in ('ios', 'android') then 'app'
        else 'web'
    end as platform,
    {{ json_object({
        'locale': text['device.language'],
        'page': json_object({
            'url': 'described_rows.page_url',
            'path': url_path('described_rows.page_url'),
            'title': param.page_title,
            'referrer': param.page_referrer,
        }),
        'campaign': json_object({
            'source': 'coalesce(' ~ text['collected_traffic_source.manual_source'] ~ ', '
                ~ param.source ~ ')',
            'medium': 'coalesce(' ~ text['collected_traffic_source.manual_medium'] ~ ', '
                ~ param.medium ~ ')',
            'name': 'coalesce(' ~ text['collected_traffic_source.manual_campaign_name'] ~ ', '
                ~ param.campaign ~ ')',
            'term': 'coalesce(' ~ text['collected_traffic_source.manual_term'] ~ ', '
                ~ param.term ~ ')',
            'content': 'coalesce(' ~ text['collected_traffic_source.manual_content'] ~ ', '
                ~ param.content ~ ')',
        }),
        'device': json_object({
            'type': text['device.category'],
            'manufacturer': text['device.mobile_brand_name'],
            'model': text['device.mobile_model_name'],
        }),
        'os': json_object({
            'name': text['device.operating_system'],
            'version': text['device.operating_system_version'],
        }),
        'app': json_object({'name': text['app_info.id'], 'version': text['app_info.version']}),
        'geo': json_object({
            'country': text['geo.country'], 'region': text['geo.region'], 'city': text['geo.city'],
        }),
    }) | indent(4) }} as context,
    described_rows.params as properties,
    {# Google forbids sending email addresses to GA4. #}
    case when false then described_rows.params end as identifiers,
    described_rows.landed_file,
    described_rows.landed_line,
    cast(1 as bigint) as landed_part,
    described_rows.landed_at,
    described_rows.problem,
    case
        when described_rows.problem is not null
            then coalesce(described_rows.original, cast(described_rows.record as varchar))
    end as original
from described_rows
left join event_aliases
    on {{ event_key('described_rows.sent_name') }} = event_aliases.event_key

union all

{{ unread_rows('ga4', ['events']) }}
