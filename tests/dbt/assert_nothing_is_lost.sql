{# raw = events + duplicated + quarantined, file by file. #}
with landed as (

    select
        landed_file,
        count(*) as row_count
    from {{ ref('raw_messages') }}
    group by landed_file

),

accounted as (

    select landed_file from {{ ref('fct_events') }}
    union all
    select landed_file from {{ ref('events_duplicated') }}
    union all
    select landed_file from {{ ref('events_quarantined') }}

),

counted as (

    select
        landed_file,
        count(*) as row_count
    from accounted
    group by landed_file

)

select
    landed.landed_file,
    landed.row_count as landed_rows,
    counted.row_count as accounted_rows
from landed
full outer join counted
    on landed.landed_file = counted.landed_file
where landed.row_count is distinct from counted.row_count
