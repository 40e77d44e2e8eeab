select * from {{ ref('stg_zendesk__users') }}
union all
select * from {{ ref('stg_zendesk__tickets') }}
union all
{{ unread_rows('zendesk', ['users', 'user', 'tickets', 'ticket']) }}
