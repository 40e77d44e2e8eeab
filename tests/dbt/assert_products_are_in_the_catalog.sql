{#
    Warns if the catalog lacks most products that a creative looks up, as it does while it is still
    that of the sample shop: the messages then show fallbacks.
#}
{{ config(severity='warn') }}

-- depends_on: {{ ref('segment_memberships') }}, {{ ref('profile_traits') }}
-- depends_on: {{ ref('product_catalog') }}
{% set findings %}
{% for each in audience_creatives()['joins'] %}
select
    '{{ each.trait }}' as trait_name,
    'product_catalog has ' || count(product_catalog.product_id) || ' of ' || count(*)
    || ' products that creatives look up by the trait {{ each.trait }}; select the products of your'
    || ' shop in models/activation/product_catalog.sql.' as finding
from (
    select distinct profile_traits.{{ each.trait }} as product_id
    from {{ ref('segment_memberships') }} as segment_memberships
    inner join {{ ref('profile_traits') }} as profile_traits
        on segment_memberships.profile_id = profile_traits.profile_id
    where
        segment_memberships.segment_name in ({{ each.segments }})
        and profile_traits.{{ each.trait }} is not null
) as looked_up
left join {{ ref('product_catalog') }} as product_catalog
    on looked_up.product_id = product_catalog.product_id
having count(product_catalog.product_id) * 2 < count(*)
{{ 'union all' if not loop.last }}
{% else %}
select
    null as trait_name,
    null as finding
where false
{% endfor %}
{% endset %}

{% set is_built = execute and load_relation(ref('product_catalog'))
    and load_relation(ref('segment_memberships')) %}
{% if is_built %}
    {% for row in run_query(findings).rows %}
        {% do exceptions.warn(row[1]) %}
    {% endfor %}
{% endif %}

{{ findings }}
