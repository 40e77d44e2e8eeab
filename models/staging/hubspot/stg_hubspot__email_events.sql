{% set texts = {
    'id': ['id'],
    'email': ['recipient'],
    'type': ['type'],
    'campaign': ['email_campaign_id', 'emailcampaignid'],
    'subject': ['subject'],
    'url': ['url'],
    'user_agent': ['user_agent', 'useragent'],
    'filtered': ['filtered_event', 'filteredevent'],
    'subscription': ['portal_subscription_status', 'portalsubscriptionstatus'],
} %}
{% set instants = {
    'created_at': ['created'],
} %}
{% set refusals = {
    is_true('filtered'): 'filtered out by HubSpot, for example as bot activity',
} %}
{% set tables = ['email_events', 'email_event'] %}

with email_events as (

    {{ source_fields(
        'hubspot', tables, texts, instants, refusals=refusals, required=['id', 'type']
    ) | indent(4) }}

),

named_events as (

    select
        *,
        case upper(subscription)
            when 'SUBSCRIBED' then true
            when 'UNSUBSCRIBED' then false
        end as is_granted,
        case
            when upper(type) = 'OPEN' then 'email_open'
            when upper(type) = 'CLICK' then 'email_click'
            when upper(type) = 'STATUSCHANGE' and subscription is not null then 'consent_change'
            else 'email_delivery'
        end as event_name
    from email_events

)

select
    'hubspot:email_event:' || id as event_id,
    event_name,
    'hubspot' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    created_at as occurred_at,
    created_at as received_at,
    'server' as platform,
    {{ json_object({'userAgent': 'user_agent'}) }} as context,
    case event_name
        when 'consent_change'
            then {{ json_object({
                'purpose': "'marketing'",
                'is_granted': 'is_granted',
            }) | indent(16) }}
        else {{ json_object({
            'campaign': 'campaign',
            'subject': 'subject',
            'url': 'url',
            'status': "case when event_name = 'email_delivery' then lower(type) end",
        }) | indent(12) }}
    end as properties,
    {{ identifier_object({'email': 'email'}) | indent(4) }} as identifiers,
    landed_file,
    landed_line,
    cast(1 as bigint) as landed_part,
    landed_at,
    problem,
    original
from named_events
