{# Two identifiers that `identity_exclusions` keeps apart are not in one profile. #}
select
    exclusions.left_id,
    exclusions.right_id
from {{ ref('int_exclusions') }} as exclusions
inner join {{ ref('identity_components') }} as lefts
    on exclusions.left_id = lefts.node
inner join {{ ref('identity_components') }} as rights
    on
        exclusions.right_id = rights.node
        and lefts.component = rights.component
