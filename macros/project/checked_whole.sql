{#- A var that is a whole number within bounds; anything else stops the build. -#}
{% macro checked_whole(name, least, most) %}
    {%- set value = var(name) -%}
    {%- if value is boolean or value is not integer or not least <= value <= most -%}
        {{ exceptions.raise_compiler_error(
            'The var ' ~ name ~ ' is "' ~ value ~ '". Write a whole number from ' ~ least ~ ' to '
            ~ most ~ ', without quotes.'
        ) }}
    {%- endif -%}
    {{ return(value) }}
{% endmacro %}
