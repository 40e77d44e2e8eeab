{#-
    The events that a trait aggregates, as an SQL condition. Stops the build at a name that is not
    in `plan`, the (event, property, type) rows of the tracking plan.
-#}
{% macro trait_condition(trait, plan) %}
    {%- set spec = trait.spec -%}
    {%- set event_names = plan | map('first') | unique | list -%}
    {%- for name in spec.event if plan and name not in event_names -%}
        {{ exceptions.raise_compiler_error(
            trait.place ~ ' references unknown event "' ~ name ~ '": it is not in the tracking '
            ~ 'plan. Did you mean "' ~ nearest_word(name, event_names) ~ '"?'
        ) }}
    {%- endfor -%}
    {%- set types, expressions = trait_properties(spec.event, plan) -%}
    {%- if plan and spec.property and spec.property not in types -%}
        {{ exceptions.raise_compiler_error(
            trait.place ~ ' references unknown property "' ~ spec.property
            ~ '": the tracking plan has none for ' ~ spec.event | join(', ') ~ '. Did you mean "'
            ~ nearest_word(spec.property, types.keys() | list) ~ '"?'
        ) }}
    {%- endif -%}
    {%- set names = [] -%}
    {%- for name in spec.event -%}{%- do names.append(text_literal(name)) -%}{%- endfor -%}
    {%- set conditions = ['event_name in (' ~ names | join(', ') ~ ')'] -%}
    {%- if spec.window -%}
        {%- do conditions.append("occurred_at >= as_of - interval '" ~ spec.window ~ "'") -%}
    {%- endif -%}
    {%- if spec.filter -%}
        {%- set filter = declarations().rule_sql(
            trait.place ~ ': `filter`', spec.filter, types if plan else none, target.type,
            expressions
        ) -%}
        {%- do conditions.append('(' ~ filter ~ ')') -%}
    {%- endif -%}
    {{ return(conditions | join(' and ')) }}
{% endmacro %}

{#-
    The properties that the plan has for some events: {name: type} and {name: SQL of its value}. If
    the events disagree about a type, the property is text.
-#}
{% macro trait_properties(event_names, plan) %}
    {%- set types = {} -%}
    {%- for event_name, property, type in plan if property and event_name in event_names -%}
        {%- do types.update({
            property: type if types.get(property, type) == type else 'text'
        }) -%}
    {%- endfor -%}
    {%- set expressions = {} -%}
    {%- for property, type in types.items() -%}
        {%- set text = json_text('properties', property) | trim -%}
        {%- if type in ('number', 'integer') -%}
            {%- set value = try_number(text) | trim -%}
        {%- elif type == 'boolean' -%}
            {%- set value = "case lower(" ~ text ~ ") when 'true' then true when 'false'"
                ~ " then false end" -%}
        {%- elif type == 'timestamp' -%}
            {%- set value = try_timestamp(text) | trim -%}
        {%- else -%}
            {%- set value = text -%}
        {%- endif -%}
        {%- do expressions.update({property: value}) -%}
    {%- endfor -%}
    {{ return((types, expressions)) }}
{% endmacro %}
