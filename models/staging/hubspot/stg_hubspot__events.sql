select * from {{ ref('stg_hubspot__contacts') }}
union all
select * from {{ ref('stg_hubspot__email_events') }}
union all
select * from {{ ref('stg_hubspot__form_submissions') }}
union all
{{ unread_rows('hubspot', [
    'contacts', 'contact', 'email_events', 'email_event', 'form_submissions', 'form_submission',
    'contact_form_submission',
]) }}
