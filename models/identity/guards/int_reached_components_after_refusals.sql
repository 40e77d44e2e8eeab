{{ config(materialized='connected_components') }}

{{ edges_after_refusals([
    'int_reached_edges_joining_accounts', 'int_reached_edges_joining_excluded',
]) }}
