{% set text = field_texts('record', [
    'app_id', 'br_lang', 'collector_tstamp', 'derived_tstamp', 'domain_userid',
    'dvce_created_tstamp', 'dvce_type', 'event', 'event_id', 'event_name', 'mkt_campaign',
    'mkt_content', 'mkt_medium', 'mkt_source', 'mkt_term', 'os_name', 'os_timezone',
    'page_referrer', 'page_title', 'page_url', 'page_urlpath', 'page_urlquery', 'platform',
    'pp_yoffset_max', 'se_action', 'se_category', 'se_label', 'se_property', 'se_value',
    'ti_orderid', 'ti_sku', 'tr_currency', 'tr_orderid', 'tr_total', 'user_id',
    'user_ipaddress', 'useragent', 'v_tracker',
]) %}
{% set instants = ['collector_tstamp', 'dvce_created_tstamp', 'derived_tstamp'] %}

with snowplow_rows as (

    {{ source_rows('snowplow', 'events', ['load_tstamp', 'etl_tstamp']) | indent(4) }}

),

event_aliases as (

    {{ event_alias_keys(ref('event_aliases')) | indent(4) }}

),

{# The event's data and its entities are JSON in separate columns; each is read once. #}
opened_rows as (

    select
        *,
        {{ text.event_id }} as sent_id,
        {{ text.event }} as kind,
        {% for instant in instants %}
        {{ try_timestamp(text[instant]) }} as {{ instant }},
        {% endfor %}
        {{ json_first(json_starting('record', 'unstruct_event_')) }} as event_data,
        {{ shop_entity('record', 'product') }} as product,
        {{ shop_entity('record', 'transaction') }} as purchase,
        {{ shop_entity('record', 'cart') }} as cart,
        {{ shop_entity('record', 'user') }} as shopper
    from snowplow_rows

),

named_rows as (

    select
        *,
        {# A structured event is named after its action, an ecommerce event after its type. #}
        case
            when kind = 'struct' then {{ text.se_action }}
            when {{ text.event_name }} = 'snowplow_ecommerce_action'
                then {{ json_text('event_data', 'type') }}
            else coalesce({{ text.event_name }}, kind)
        end as sent_name,
        {{ first_text('shopper', ['email']) }} as email
    from opened_rows

),

checks as (

    select
        * exclude (problem),
        coalesce(
            problem,
            case when sent_id is null then 'no event id' end,
            {% for instant in instants %}
            case
                when {{ text[instant] }} is not null and {{ instant }} is null
                    then '{{ instant }} is not a valid timestamp'
            end{{ ',' if not loop.last }}
            {% endfor %}
        ) as problem
    from named_rows

)

select
    checks.sent_id as event_id,
    coalesce(event_aliases.event_name, {{ event_key('checks.sent_name') }}) as event_name,
    'snowplow' as source,
    {#
       Not `network_userid`: if the collector is on another site, its cookie is recreated with every
       event, and one cookie stands for many visitors.
    #}
    {{ text.domain_userid }} as anonymous_id,
    {{ text.user_id }} as user_id,
    coalesce(checks.derived_tstamp, checks.dvce_created_tstamp, checks.collector_tstamp)
        as occurred_at,
    coalesce(checks.collector_tstamp, checks.derived_tstamp, checks.dvce_created_tstamp)
        as received_at,
    case
        when {{ text.platform }} = 'web' then 'web'
        when {{ text.platform }} = 'srv' then 'server'
        when {{ text.platform }} is not null then 'app'
        else 'web'
    end as platform,
    {{ json_object({
        'userAgent': text.useragent,
        'ip': text.user_ipaddress,
        'locale': text.br_lang,
        'timezone': text.os_timezone,
        'page': json_object({
            'url': text.page_url,
            'path': text.page_urlpath,
            'title': text.page_title,
            'referrer': text.page_referrer,
            'search': text.page_urlquery,
        }),
        'campaign': json_object({
            'source': text.mkt_source,
            'medium': text.mkt_medium,
            'name': text.mkt_campaign,
            'term': text.mkt_term,
            'content': text.mkt_content,
        }),
        'device': json_object({'type': text.dvce_type}),
        'os': json_object({'name': text.os_name}),
        'app': json_object({'name': text.app_id}),
        'library': json_object({'version': text.v_tracker}),
    }) | indent(4) }} as context,
    case
        when {{ text.event_name }} = 'snowplow_ecommerce_action'
            or checks.event_data is null
            then {{ json_object({
                'url': text.page_url,
                'path': text.page_urlpath,
                'title': text.page_title,
                'scroll_depth': text.pp_yoffset_max,
                'category': 'coalesce('
                    ~ json_text('checks.product', 'category') ~ ', ' ~ text.se_category ~ ')',
                'label': text.se_label,
                'property': text.se_property,
                'value': 'coalesce('
                    ~ json_text('checks.cart', 'total_value') ~ ', ' ~ text.se_value ~ ')',
                'product_id': 'coalesce('
                    ~ json_text('checks.product', 'id') ~ ', ' ~ text.ti_sku ~ ')',
                'name': json_text('checks.product', 'name'),
                'price': json_text('checks.product', 'price'),
                'quantity': json_text('checks.product', 'quantity'),
                'order_id': 'coalesce('
                    ~ json_text('checks.purchase', 'transaction_id') ~ ', '
                    ~ text.tr_orderid ~ ', ' ~ text.ti_orderid ~ ')',
                'revenue': 'coalesce('
                    ~ json_text('checks.purchase', 'revenue') ~ ', ' ~ text.tr_total ~ ')',
                'currency': 'coalesce('
                    ~ json_text('checks.purchase', 'currency') ~ ', '
                    ~ json_text('checks.product', 'currency') ~ ', ' ~ text.tr_currency ~ ')',
                'coupon': json_text('checks.purchase', 'discount_code'),
            }) | indent(12) }}
        else checks.event_data
    end as properties,
    {{ identifier_object({'email': 'checks.email'}) | indent(4) }} as identifiers,
    checks.landed_file,
    checks.landed_line,
    cast(1 as bigint) as landed_part,
    checks.landed_at,
    checks.problem,
    case
        when checks.problem is not null
            then coalesce(checks.original, cast(checks.record as varchar))
    end as original
from checks
left join event_aliases
    on {{ event_key('checks.sent_name') }} = event_aliases.event_key

union all

{{ unread_rows('snowplow', ['events']) }}
