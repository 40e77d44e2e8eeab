{#-
    The traits that `model_name` declares, as columns of a grouped select over the relation of CTE
    `events` (occurred_at, event_number, event_name, properties, as_of). A trait says:

        event: name or list of names            aggregate: count | count_distinct | sum | average |
        property: what is aggregated                       min | max | first | last | first_at |
                                                           last_at | most_frequent
        filter: "{category} = 'jackets'"        window: 30 days (none: ever)
        sent_as: its column in activation_audiences (none: not sent)

    An event counts from its instant on until the window has passed: a step function of time.
-#}
{% macro trait_columns(model_name, plan) %}
{%- for trait in declared_columns(model_name, 'trait') %}
    {%- set what = 'Trait "' ~ trait.name ~ '" of ' ~ model_name -%}
    {%- set spec = trait.spec -%}
    {%- do checked_keys(
        what, spec, ['event', 'aggregate'], ['property', 'filter', 'window', 'sent_as']
    ) -%}
    {{ trait_expression(what, spec, plan, trait.name ~ '_met') | trim | indent(4) }}
    as {{ trait.name }},
{% endfor -%}
{% endmacro %}

{#-
    For each trait with the aggregate `most_frequent`: how often this event's value has occurred, as
    a window over the events. A tie then goes to the last value.
-#}
{% macro trait_counters(model_name, plan) %}
{%- for trait in declared_columns(model_name, 'trait') if trait.spec.aggregate == 'most_frequent' %}
    {%- set what = 'Trait "' ~ trait.name ~ '" of ' ~ model_name -%}
    ,
    sum(case when {{ trait_condition(what, trait.spec, plan) }} then 1 else 0 end) over (
        partition by profile_id, {{ json_text('properties', trait.spec.property) | trim }}
    ) as {{ trait.name }}_met
{%- endfor -%}
{% endmacro %}

{#-
    One trait as an aggregate expression; `counter` is its column of `trait_counters`. Numbers are
    rounded to six digits so that summation order cannot change results.
-#}
{% macro trait_expression(what, spec, plan, counter) %}
    {%- set condition = trait_condition(what, spec, plan) -%}
    {%- set text = json_text('properties', spec.property) | trim if spec.property else none -%}
    {%- set number = try_number(text) | trim if text else none -%}
    {%- set plain = ['count', 'first_at', 'last_at'] -%}
    {%- set numeric = {'sum': 'sum', 'average': 'avg', 'min': 'min', 'max': 'max'} -%}
    {%- set known = plain + numeric.keys() | list
        + ['count_distinct', 'first', 'last', 'most_frequent'] -%}
    {%- if spec.aggregate not in known -%}
        {{ exceptions.raise_compiler_error(
            what ~ ' has the unknown aggregate "' ~ spec.aggregate ~ '". Did you mean "'
            ~ nearest_word(spec.aggregate, known) ~ '"?'
        ) }}
    {%- elif spec.aggregate not in plain and not text -%}
        {{ exceptions.raise_compiler_error(
            what ~ ' has the aggregate "' ~ spec.aggregate ~ '" but lacks the key "property".'
        ) }}
    {%- endif -%}
    {%- if spec.aggregate == 'count' -%}
        count(case when {{ condition }} then 1 end)
    {%- elif spec.aggregate == 'count_distinct' -%}
        count(distinct case when {{ condition }} then {{ text }} end)
    {%- elif spec.aggregate == 'sum' -%}
        round(coalesce(sum(case when {{ condition }} then {{ number }} end), 0), 6)
    {%- elif spec.aggregate in numeric -%}
        round({{ numeric[spec.aggregate] }}(case when {{ condition }} then {{ number }} end), 6)
    {%- elif spec.aggregate in ['first_at', 'last_at'] -%}
        {{ 'min' if spec.aggregate == 'first_at' else 'max' }}(
            case when {{ condition }} then occurred_at end
        )
    {%- elif spec.aggregate == 'most_frequent' -%}
        max_by(
            {{ text }},
            case
                when {{ condition }} and {{ text }} is not null
                    then {{ counter }} * 1000000000 + event_number
            end
        )
    {%- else -%}
        {{ 'min_by' if spec.aggregate == 'first' else 'max_by' }}(
            {{ text }},
            case when {{ condition }} and {{ text }} is not null then event_number end
        )
    {%- endif -%}
{% endmacro %}

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

{#-
    The traits with `sent_as: <column>`, as columns of `activation_audiences` besides `others`.
    Stops the build if two columns would have the same name.
-#}
{% macro sent_traits(others) %}
    {%- set sent = [] -%}
    {%- for trait in declared_columns('profile_traits', 'trait') if 'sent_as' in trait.spec -%}
        {%- set column = trait.spec.sent_as | string -%}
        {%- if not modules.re.fullmatch('[a-z][a-z0-9_]*', column)
            or column in others + sent | map(attribute='column') | list -%}
            {{ exceptions.raise_compiler_error(
                'Trait "' ~ trait.name ~ '" has the invalid or duplicate sent_as "' ~ column
                ~ '". Use a snake_case name that activation_audiences does not have yet.'
            ) }}
        {%- endif -%}
        {%- do sent.append({'name': trait.name, 'column': column}) -%}
    {%- endfor -%}
    {{ return(sent) }}
{% endmacro %}
