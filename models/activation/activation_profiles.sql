{#
   The people of `activation_audiences`, for tools that keep one record per person. It has no
   traits: for more columns, write a model that joins them and declare a sync of it.
#}
with activation_audiences as (

    select * from {{ ref('activation_audiences') }}

),

segments as (

    select * from {{ ref('segments') }}

),

ranked as (

    select
        activation_audiences.*,
        row_number() over (
            partition by activation_audiences.profile_id
            order by segments.priority asc, activation_audiences.segment_name asc
        ) as place
    from activation_audiences
    inner join segments
        on activation_audiences.segment_name = segments.segment_name

)

select
    profile_id,
    max(user_id) as user_id,
    max(email) as email,
    max(anonymous_id) as anonymous_id,
    max(case when place = 1 then segment_name end) as primary_segment,
    max(case when place = 1 then segment_label end) as primary_label,
    max(case when place = 1 then creative end) as creative,
    {% for column in creative_columns() %}
    max(case when place = 1 then {{ column.name }} end) as {{ column.name }},
    {% endfor %}
    {{ dbt.listagg('segment_name', "';'", 'order by segment_name') }} as segment_names,
    max(persona_name) as persona_name,
    max(as_of) as as_of
from ranked
group by profile_id
