{#-
    An identifier as it is compared with the blocklist: case does not count, nor do the brackets of
    one that begins with a bracket. Others are spared the translation, which reads each character.
-#}
{% macro blocklist_text(column) -%}
    case
        when left({{ column }}, 1) in ('(', '[', '{', '<')
            then translate(lower({{ column }}), '()[]{}<>', '')
        else lower({{ column }})
    end
{%- endmacro %}
