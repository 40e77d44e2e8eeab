{#
   The products that creatives show. Without the shop there are none: write a select of your own
   products here, with at least these columns. Other columns belong into the yml too.
#}
{% if var('shop') %}
select
    product_id,
    name,
    category,
    price,
    currency,
    image_url,
    link_url
from {{ ref('sample_products') }}
{% else %}
select
    cast(null as varchar) as product_id,
    cast(null as varchar) as name,
    cast(null as varchar) as category,
    cast(null as double) as price,
    cast(null as varchar) as currency,
    cast(null as varchar) as image_url,
    cast(null as varchar) as link_url
where false
{% endif %}
