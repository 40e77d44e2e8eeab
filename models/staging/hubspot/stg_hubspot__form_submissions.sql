{% set tables = ['form_submissions', 'form_submission', 'contact_form_submission'] %}
{% set texts = {
    'conversion_id': ['conversion_id', 'conversionid'],
    'form': ['form_id', 'formid', 'form_name', 'title'],
    'url': ['page_url', 'pageurl'],
    'contact_id': ['contact_id'],
    'fields_sent': ['values'],
    'stated_email': ['email'],
} %}
{% set instants = {
    'submitted_at': ['submitted_at', 'submittedat', 'timestamp'],
} %}

with form_submissions as (

    {{ source_fields('hubspot', tables, texts, instants, required=['form']) | indent(4) }}

),

addressed_submissions as (

    select
        *,
        coalesce(
            stated_email,
            nullif(trim({{ json_entry(parse_json_text('fields_sent'), 'email') | indent(16) }}), '')
        ) as email
    from form_submissions

)

{# Not every loader has the id; then person, form and time identify the fact. #}
select
    'hubspot:form_submission:' || coalesce(
        conversion_id,
        md5(
            form || ' ' || coalesce(email, contact_id, '')
            || ' ' || {{ instant_text('submitted_at') }}
        )
    ) as event_id,
    'form_submit' as event_name,
    'hubspot' as source,
    cast(null as varchar) as anonymous_id,
    cast(null as varchar) as user_id,
    submitted_at as occurred_at,
    submitted_at as received_at,
    'web' as platform,
    {{ json_object({}) }} as context,
    {{ json_object({'form': 'form', 'url': 'url'}) }} as properties,
    {{ identifier_object({'hubspot_id': 'contact_id', 'email': 'email'}) | indent(4) }}
        as identifiers,
    landed_file,
    landed_line,
    cast(1 as bigint) as landed_part,
    landed_at,
    problem,
    original
from addressed_submissions
