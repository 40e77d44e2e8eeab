{#- Refusals for Stripe: rows of test mode, and statuses other than these. -#}
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
