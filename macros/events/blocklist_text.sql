{#-
    An identifier in the form that is compared with the blocklist, without case and without brackets
    if it begins with one. Other identifiers skip `translate`, which reads each character.
-#}
{% macro blocklist_text(column) -%}
    case
        when left({{ column }}, 1) in ('(', '[', '{', '<')
            then translate(lower({{ column }}), '()[]{}<>', '')
        else lower({{ column }})
    end
{%- endmacro %}
