{#- Which events a trait counts, as an SQL condition. -#}
{% macro trait_condition(what, spec, event_names) %}
    {%- set names = [spec.event] if spec.event is string else spec.event -%}
    {%- for name in names if event_names and name not in event_names -%}
        {{ exceptions.raise_compiler_error(
            what ~ ' names the event "' ~ name ~ '", which is not in the tracking plan. Did you mean "'
            ~ nearest_word(name, event_names) ~ '"?'
        ) }}
    {%- endfor -%}
    {%- set conditions = ["event_name in ('" ~ names | join("', '") ~ "')"] -%}
    {%- if spec.window -%}
        {%- do conditions.append("occurred_at >= as_of - interval '" ~ spec.window ~ "'") -%}
    {%- endif -%}
    {%- if spec.filter -%}
        {%- set filter = namespace(sql=spec.filter) -%}
        {%- for property in modules.re.findall('\\{(\\w+)\\}', spec.filter) -%}
            {%- set filter.sql = filter.sql.replace(
                '{' ~ property ~ '}', json_text('properties', property) | trim
            ) -%}
        {%- endfor -%}
        {%- do conditions.append('(' ~ filter.sql ~ ')') -%}
    {%- endif -%}
    {{ return(conditions | join(' and ')) }}
{% endmacro %}
