{#
   What a destination should hold, with the columns that its message needs. Scores are left out,
   since they would change every row in every run. Traits declare `sent_as` to be included.
#}
{# A segment out of its expected size stops the build before this table. #}
-- depends_on: {{ ref('segment_size_alerts') }}
{% set traits = sent_traits([
    'profile_id', 'segment_name', 'segment_label', 'user_id', 'email', 'anonymous_id',
    'persona_name', 'creative', 'creative_text', 'creative_image', 'creative_link',
    'creative_price', 'creative_currency', 'arm', 'as_of',
]) %}
{# A column only while it tells something, since it changes every message. #}
{% set with_texts = experiments_with_texts() %}
{% set creatives, shown = audience_creatives(), creative_columns() %}
-- depends_on: {{ ref('product_catalog') }}

with experiment_segments as (

    {{ experiment_segments() }}

),

experiment_arms as (

    select
        experiment_arms.*,
        experiment_segments.segment_name
    from {{ ref('experiment_arms') }} as experiment_arms
    inner join experiment_segments
        on experiment_arms.experiment_name = experiment_segments.experiment_name

),

{# Whom a running experiment holds out receives nothing of its segments. #}
segment_memberships as (

    select segment_memberships.*
    from {{ ref('segment_memberships') }} as segment_memberships
    left join (
        select distinct
            profile_id,
            segment_name
        from experiment_arms
        where is_held_out
    ) as held_out
        on
            segment_memberships.profile_id = held_out.profile_id
            and segment_memberships.segment_name = held_out.segment_name
    where held_out.profile_id is null

),

segments as (

    select * from {{ ref('segments') }}

),

dim_profiles as (

    select * from {{ ref('dim_profiles') }}

),

profile_traits as (

    select * from {{ ref('profile_traits') }}

),

profile_personas as (

    select * from {{ ref('profile_personas') }}

),

anonymous_ids as (

    {# A shared device that now belongs to another profile is not an address of this one. #}
    select
        identity_map.profile_id,
        identity_map.id_value as anonymous_id,
        row_number() over (
            partition by identity_map.profile_id
            order by identifiers.last_received_at desc, identity_map.id_value asc
        ) as recency_rank
    from {{ ref('identity_map') }} as identity_map
    inner join {{ ref('identifiers') }} as identifiers
        on identity_map.identifier_id = identifiers.identifier_id
    where
        identity_map.id_type = 'anonymous_id'
        and identity_map.valid_to is null

){% if creatives['joins'] %},

products as (

    {# Of a product with two rows nobody knows which one is right: it counts as missing. #}
    select *
    from {{ ref('product_catalog') }}
    qualify count(*) over (partition by product_id) = 1

){% endif %}


select
    segment_memberships.profile_id,
    segment_memberships.segment_name,
    segment_memberships.segment_label,
    dim_profiles.user_id,
    dim_profiles.latest_email as email,
    anonymous_ids.anonymous_id,
    profile_personas.persona_name,
    {% for trait in traits %}
    profile_traits.{{ trait.name }}{{ ' as ' ~ trait.column if trait.column != trait.name }},
    {% endfor %}
    {% for column in creatives['columns'] if column.part == 'headline' %}
    {{ column.sql }} as creative,
    {% else %}
    segments.creative,
    {% endfor %}
    {% for column in shown %}
    {{ column.sql }} as {{ column.name }},
    {% endfor %}
    {% if with_texts %}
    experiment_arms.arm,
    {% endif %}
    segment_memberships.as_of
from segment_memberships
inner join segments
    on segment_memberships.segment_name = segments.segment_name
inner join dim_profiles
    on segment_memberships.profile_id = dim_profiles.profile_id
left join profile_traits
    on segment_memberships.profile_id = profile_traits.profile_id
left join profile_personas
    on segment_memberships.profile_id = profile_personas.profile_id
left join anonymous_ids
    on
        segment_memberships.profile_id = anonymous_ids.profile_id
        and anonymous_ids.recency_rank = 1
{% for each in creatives['joins'] %}
left join products as {{ each.name }}
    on
        profile_traits.{{ each.trait }} = {{ each.name }}.product_id
        and segment_memberships.segment_name in ({{ each.segments }})
{% endfor %}
{% if with_texts %}
left join experiment_arms
    on
        segment_memberships.profile_id = experiment_arms.profile_id
        and segment_memberships.segment_name = experiment_arms.segment_name
        and experiment_arms.is_running
        and experiment_arms.experiment_name in (
            '{{ with_texts | map(attribute='name') | join("', '") }}'
        )
{% endif %}
