{#- What no row of Stripe may be, and for its status none but these. -#}
{% macro stripe_refusals(statuses=[]) %}
    {%- set refusals = {is_false('livemode'): 'livemode is false: test data'} -%}
    {%- if statuses -%}
        {%- do refusals.update({
            "coalesce(status, '') not in ('" ~ statuses | join("', '") ~ "')":
                'status is not one of ' ~ statuses | join(', '),
        }) -%}
    {%- endif -%}
    {{ return(refusals) }}
{% endmacro %}
