{#-
    An amount in the currency's smallest unit, as Stripe writes it, in its main unit. Stripe's
    zero-decimal currencies are already in the main unit, except UGX, which has two decimals.
-#}
{% macro major_units(amount, currency) -%}
({{ amount }} / case
    when upper({{ currency }}) in (
        'BIF', 'CLP', 'DJF', 'GNF', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'VND', 'VUV', 'XAF',
        'XOF', 'XPF'
    )
        then 1
    when upper({{ currency }}) in ('BHD', 'JOD', 'KWD', 'OMR', 'TND')
        then 1000
    else 100
end)
{%- endmacro %}

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
