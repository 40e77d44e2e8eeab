{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

{# `make forget` writes the rows; a build only creates the table. #}
select
    cast(null as varchar) as request_id,
    cast(null as varchar) as identifier_hash,
    cast(null as {{ dbt.type_timestamp() }}) as valid_from,
    cast(null as {{ dbt.type_timestamp() }}) as valid_to,
    cast(null as {{ dbt.type_timestamp() }}) as requested_at,
    cast(null as varchar) as identifier_id
where false
