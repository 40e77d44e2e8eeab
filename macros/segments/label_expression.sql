{#- A label such as `New prospect – {top_category}` as an SQL text expression. -#}
{% macro label_expression(label) %}
    {%- set parts = [] -%}
    {%- for part in modules.re.split('(\\{\\w+\\})', label) if part -%}
        {%- if part[0] == '{' -%}
            {%- do parts.append("coalesce(cast(" ~ part[1:-1] ~ " as varchar), 'unknown')") -%}
        {%- else -%}
            {%- do parts.append("'" ~ part.replace("'", "''") ~ "'") -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(parts | join(' || ')) }}
{% endmacro %}
