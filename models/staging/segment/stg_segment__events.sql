{{ config(enabled='segment' in checked_var('sources')) }}

{{ call_events('segment') }}
