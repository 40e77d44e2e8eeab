{#- Type of device, as reported by the app or derived from the user agent; else null. -#}
{% macro device(type, agent) -%}
case
    when lower({{ type }}) in ('desktop', 'mobile', 'tablet', 'tv') then lower({{ type }})
    when lower({{ type }}) in ('ios', 'android') then 'mobile'
    when {{ matches(agent, 'ipad|tablet') }} then 'tablet'
    when {{ matches(agent, 'mobi|iphone|android') }} then 'mobile'
    when {{ matches(agent, 'mozilla') }} then 'desktop'
end
{%- endmacro %}
