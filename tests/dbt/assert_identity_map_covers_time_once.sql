{# The intervals of an identifier cover all time, without gaps and overlaps. #}
with ordered_intervals as (

    select
        identifier_id,
        valid_from,
        valid_to,
        row_number() over (
            partition by identifier_id order by valid_from nulls first
        ) as interval_number,
        lag(valid_to) over (
            partition by identifier_id order by valid_from nulls first
        ) as previous_valid_to,
        lead(valid_from) over (
            partition by identifier_id order by valid_from nulls first
        ) as next_valid_from
    from {{ ref('identity_map') }}

)

select * from ordered_intervals
where
    valid_from is distinct from previous_valid_to
    or valid_to is distinct from next_valid_from
    or (interval_number > 1 and valid_from is null)
    or valid_from >= valid_to
