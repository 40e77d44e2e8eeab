{#-
    A text without surrounding blanks; null if nothing is left. Most texts have none and skip the
    trimming, which reads each character.
-#}
{% macro trimmed(text) -%}
case
    when {{ text }} = '' or {{ text }} like ' %' or {{ text }} like '% '
        then nullif(trim({{ text }}), '')
    else {{ text }}
end
{%- endmacro %}
