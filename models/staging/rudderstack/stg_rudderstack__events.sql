{{ config(enabled='rudderstack' in checked_var('sources')) }}

{{ call_events('rudderstack') }}
