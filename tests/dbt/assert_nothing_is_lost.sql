{#
    Every landed row is accounted for, file by file: raw = events + duplicated + quarantined. A row
    may say several things; each of these is accounted for too. What landed for a source that is not
    read from the landing any more is nobody's to account for.
#}
{% set read = ['collector']
    + var('sources').items() | selectattr(1, 'equalto', 'landing') | map('first') | list %}

with landed as (

    select
        landed_file,
        count(*) as row_count
    from {{ ref('raw_messages') }}
    where source in ('{{ read | join("', '") }}')
    group by landed_file

),

judged as (

    select
        landed_file,
        count(distinct landed_line) as row_count,
        count(*) as part_count
    from {{ ref('int_events_validated') }}
    group by landed_file

),

parts as (

    select
        landed_file,
        landed_line
    from {{ ref('fct_events') }}

    union all

    select
        landed_file,
        landed_line
    from {{ ref('events_duplicated') }}

    union all

    select
        landed_file,
        landed_line
    from {{ ref('events_quarantined') }}

),

accounted as (

    select
        landed_file,
        count(distinct landed_line) as row_count,
        count(*) as part_count
    from parts
    group by landed_file

)

select
    coalesce(landed.landed_file, judged.landed_file, accounted.landed_file) as landed_file,
    landed.row_count as landed_rows,
    judged.row_count as judged_rows,
    judged.part_count as judged_parts,
    accounted.row_count as accounted_rows,
    accounted.part_count as accounted_parts
from judged
full outer join accounted
    on judged.landed_file = accounted.landed_file
full outer join landed
    on coalesce(judged.landed_file, accounted.landed_file) = landed.landed_file
where
    coalesce(judged.row_count, 0) > coalesce(accounted.row_count, 0)
    or coalesce(judged.part_count, 0) > coalesce(accounted.part_count, 0)
    {#
        What a loader keeps in the warehouse is not among the landed files, and is overwritten
        there: more may have been taken in than it still holds.
    #}
    or (
        landed.row_count is not null
        and (
            landed.row_count is distinct from judged.row_count
            or judged.row_count is distinct from accounted.row_count
            or judged.part_count is distinct from accounted.part_count
        )
    )
