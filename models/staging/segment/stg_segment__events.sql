{{ config(enabled='segment' in var('sources')) }}

{{ call_events('segment') }}
