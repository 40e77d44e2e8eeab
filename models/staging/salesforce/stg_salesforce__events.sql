select * from {{ ref('stg_salesforce__contacts') }}
union all
select * from {{ ref('stg_salesforce__leads') }}
union all
select * from {{ ref('stg_salesforce__accounts') }}
union all
select * from {{ ref('stg_salesforce__opportunities') }}
union all
{{ unread_rows('salesforce', [
    'contacts', 'contact', 'leads', 'lead', 'accounts', 'account', 'opportunities', 'opportunity',
]) }}
