{#-
    The events that a trait aggregates, as an SQL condition. Stops the build at a name that is not
    in `plan`, the (event, property) pairs of the tracking plan.
-#}
{% macro trait_condition(what, spec, plan) %}
    {%- set names = [spec.event] if spec.event is string else spec.event -%}
    {%- set event_names = plan | map('first') | unique | list -%}
    {%- for name in names if plan and name not in event_names -%}
        {{ exceptions.raise_compiler_error(
            what ~ ' references unknown event "' ~ name ~ '": it is not in the tracking plan. '
            ~ 'Did you mean "' ~ nearest_word(name, event_names) ~ '"?'
        ) }}
    {%- endfor -%}
    {%- set properties = [] -%}
    {%- for event_name, property in plan if property and event_name in names -%}
        {%- do properties.append(property) -%}
    {%- endfor -%}
    {%- set quoted = modules.re.findall('\\{(\\w+)\\}', spec.filter or '') -%}
    {%- for name in quoted + ([spec.property] if spec.property else [])
        if plan and name not in properties -%}
        {{ exceptions.raise_compiler_error(
            what ~ ' references unknown property "' ~ name ~ '": the tracking plan has none for '
            ~ names | join(', ') ~ '. Did you mean "' ~ nearest_word(name, properties) ~ '"?'
        ) }}
    {%- endfor -%}
    {%- set conditions = ["event_name in ('" ~ names | join("', '") ~ "')"] -%}
    {%- if spec.window and not modules.re.fullmatch(
        '[1-9][0-9]* (minutes|hours|days)', spec.window | string
    ) -%}
        {{ exceptions.raise_compiler_error(
            what ~ ' has the invalid window "' ~ spec.window ~ '". Use a number and a unit '
            ~ '(minutes, hours or days), such as 7 days.'
        ) }}
    {%- endif -%}
    {%- if spec.window -%}
        {%- do conditions.append("occurred_at >= as_of - interval '" ~ spec.window ~ "'") -%}
    {%- endif -%}
    {%- if spec.filter -%}
        {%- set filter = namespace(sql=spec.filter) -%}
        {%- for property in quoted -%}
            {%- set filter.sql = filter.sql.replace(
                '{' ~ property ~ '}', json_text('properties', property) | trim
            ) -%}
        {%- endfor -%}
        {%- do conditions.append('(' ~ filter.sql ~ ')') -%}
    {%- endif -%}
    {{ return(conditions | join(' and ')) }}
{% endmacro %}
