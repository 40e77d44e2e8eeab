{#
    A term that is no longer a column would silently count as average. The fix: restore the name of
    the column, or train again: dbt build --vars '{retrain: true}'.
#}
{% set known = feature_columns(ref('profile_features'))
    + feature_columns(ref('persona_behaviors')) %}

with terms as (

    select
        model_parameters.model_version,
        model_parameters.term
    from {{ ref('model_parameters') }} as model_parameters
    inner join {{ ref('model_versions') }} as model_versions
        on model_parameters.model_version = model_versions.model_version
    where model_versions.is_current and model_parameters.kind = 'coefficient'

),

behaviors as (

    select
        model_version,
        feature as term
    from {{ ref('persona_centroids') }}
    qualify rank() over (order by trained_as_of desc) = 1

),

used_terms as (

    select * from terms
    union all
    select * from behaviors

)

select * from used_terms
where term not in ('intercept'{% for name in known %}, '{{ name }}'{% endfor %})
