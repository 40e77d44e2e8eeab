{#
    Every landed row is accounted for, file by file: raw = events + duplicated + quarantined. A row
    may hold several events; each is accounted for too. Rows of a source that is no longer read from
    the landing are left out.
#}
{% set read = ['collector']
    + var('sources').items() | selectattr(1, 'equalto', 'landing') | map('first') | list %}

with landings as (

    select
        landed_file,
        count(*) as row_count
    from {{ ref('raw_messages') }}
    where source in ('{{ read | join("', '") }}')
    group by landed_file

),

judgements as (

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

outcomes as (

    select
        landed_file,
        count(distinct landed_line) as row_count,
        count(*) as part_count
    from parts
    group by landed_file

)

select
    coalesce(landings.landed_file, judgements.landed_file, outcomes.landed_file) as landed_file,
    landings.row_count as landed_rows,
    judgements.row_count as judged_rows,
    judgements.part_count as judged_parts,
    outcomes.row_count as accounted_rows,
    outcomes.part_count as accounted_parts
from judgements
full outer join outcomes
    on judgements.landed_file = outcomes.landed_file
full outer join landings
    on coalesce(judgements.landed_file, outcomes.landed_file) = landings.landed_file
where
    coalesce(judgements.row_count, 0) > coalesce(outcomes.row_count, 0)
    or coalesce(judgements.part_count, 0) > coalesce(outcomes.part_count, 0)
    {#
        A loader's tables in the warehouse are not landed files and are overwritten: more rows may
        have been loaded than they still hold.
    #}
    or (
        landings.row_count is not null
        and (
            landings.row_count is distinct from judgements.row_count
            or judgements.row_count is distinct from outcomes.row_count
            or judgements.part_count is distinct from outcomes.part_count
        )
    )
