{#- What a person held in her hand, as the app says or the browser's name tells; else null. -#}
{% macro device(context) -%}
{%- call(texts) with_json_texts(context, ['device.type', 'userAgent']) -%}
case
    when lower({{ texts[0] }}) in ('desktop', 'mobile', 'tablet', 'tv') then lower({{ texts[0] }})
    when lower({{ texts[0] }}) in ('ios', 'android') then 'mobile'
    when {{ matches(texts[1], 'ipad|tablet') }} then 'tablet'
    when {{ matches(texts[1], 'mobi|iphone|android') }} then 'mobile'
    when {{ matches(texts[1], 'mozilla') }} then 'desktop'
end
{%- endcall -%}
{%- endmacro %}
