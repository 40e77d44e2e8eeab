{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

{# `tideline match` writes the rows; a build only creates the table. #}
select
    cast(null as varchar) as left_id,
    cast(null as varchar) as right_id,
    cast(null as double) as probability,
    cast(null as {{ dbt.type_timestamp() }}) as matched_at,
    cast(null as boolean) as is_withdrawn,
    cast(null as {{ dbt.type_timestamp() }}) as updated_at
where false
