{#- Segments by priority; stops the build if two share one. -#}
{% macro segments_by_priority(segments) %}
    {%- set taken = {} -%}
    {%- for segment in segments -%}
        {%- set other = taken.setdefault(segment.spec.priority, segment.name) -%}
        {%- if other != segment.name -%}
            {{ exceptions.raise_compiler_error(
                'Segments "' ~ other ~ '" and "' ~ segment.name ~ '" share the priority '
                ~ segment.spec.priority ~ '. Give each its own priority.'
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(segments | sort(attribute='spec.priority')) }}
{% endmacro %}
