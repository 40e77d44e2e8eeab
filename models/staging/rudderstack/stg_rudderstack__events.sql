{{ config(enabled='rudderstack' in var('sources')) }}

{{ call_events('rudderstack') }}
