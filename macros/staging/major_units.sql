{#-
    An amount in the currency's smallest unit, as Stripe writes it, in its main unit. What Stripe
    calls zero-decimal is whole already, but for UGX, which is written with two decimals all the
    same.
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
