with identity_exclusions as (

    select * from {{ ref('identity_exclusions') }}

),

identifier_rules as (

    select * from {{ ref('identifier_rules') }}

),

declared_pairs as (

    select
        lefts.id_type || ':' || {{ normalized_identifier(
            'identity_exclusions.left_value', 'lefts.is_lower_cased', 'lefts.is_gmail_folded'
        ) | indent(8) }} as left_id,
        rights.id_type || ':' || {{ normalized_identifier(
            'identity_exclusions.right_value', 'rights.is_lower_cased', 'rights.is_gmail_folded'
        ) | indent(8) }} as right_id,
        identity_exclusions.reason
    from identity_exclusions
    inner join identifier_rules as lefts
        on identity_exclusions.left_type = lefts.id_type
    inner join identifier_rules as rights
        on identity_exclusions.right_type = rights.id_type

),

ordered_pairs as (

    select
        left_id,
        right_id,
        reason
    from declared_pairs

    union all

    select
        right_id as left_id,
        left_id as right_id,
        reason
    from declared_pairs

)

select
    md5(md5(least(left_id, right_id)) || md5(greatest(left_id, right_id))) as exclusion_id,
    md5(md5(left_id) || md5(right_id)) as edge_id,
    left_id,
    right_id,
    min(reason) as reason
from ordered_pairs
where left_id <> right_id
group by left_id, right_id
