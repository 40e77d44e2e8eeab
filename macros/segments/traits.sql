{#-
    The declared traits as a list of {name, spec, is_of_shop, file, place}; those of the shop only
    if the var `shop` is true. Empty while dbt only parses.
-#}
{% macro declared_traits() %}
    {{ return(declarations().traits(var('shop')) if execute else []) }}
{% endmacro %}

{#- The declared traits that have readings: aggregates of events, or of times on a list. -#}
{% macro read_traits() %}
    {{ return(declared_traits() | selectattr('spec.aggregate') | list) }}
{% endmacro %}

{#- The traits with this aggregate. -#}
{% macro traits_of(aggregate) %}
    {{ return(read_traits() | selectattr('spec.aggregate', 'equalto', aggregate) | list) }}
{% endmacro %}

{#- The traits that are computed from other traits, as columns over those. -#}
{% macro formula_columns() %}
{%- set formulas = declarations().formulas(var('shop'), target.type) if execute else {} -%}
{%- for name, sql in formulas.items() %}
    {{ sql }} as {{ name }},
{%- endfor -%}
{% endmacro %}

{#-
    One trait as an aggregate expression over its readings. Numbers are rounded to six digits so
    that summation order cannot change results.
-#}
{% macro trait_expression(trait) %}
    {%- set aggregate, value = trait.spec.aggregate, counted_value(trait) -%}
    {%- set numeric = {'average': 'avg', 'min': 'min', 'max': 'max'} -%}
    {%- if aggregate == 'listed' -%}
        coalesce(sum({{ value }}), 0) > 0
    {%- elif aggregate == 'count' -%}
        count({{ value }})
    {%- elif aggregate == 'count_distinct' -%}
        count(distinct {{ value }})
    {%- elif aggregate == 'sum' -%}
        round(coalesce(sum({{ value }}), 0), 6)
    {%- elif aggregate in numeric -%}
        round({{ numeric[aggregate] }}({{ value }}), 6)
    {%- elif aggregate == 'exists' -%}
        count({{ value }}) > 0
    {%- elif aggregate in ['days_since', 'minutes_since'] -%}
        cast({{ dbt.datediff('max(' ~ value ~ ')', 'max(as_of)', 'microsecond') }} as double)
        / {{ 86400000000 if aggregate == 'days_since' else 60000000 }}
    {%- elif aggregate in ['first_at', 'last_at'] -%}
        {{ 'min' if aggregate == 'first_at' else 'max' }}({{ value }})
    {%- else -%}
        {{ 'min_by' if aggregate == 'first' else 'max_by' }}(
            {{ trait.name }}, case when {{ value }} is not null then event_number end
        )
    {%- endif -%}
{% endmacro %}

{#-
    What a trait has read from an event if the event counts as of the clock, as an SQL expression.
    An event counts from its time on until the window has passed: a step function of time.
-#}
{% macro counted_value(trait) %}
    {%- set spec = trait.spec -%}
    {%- set conditions = ['occurred_at < as_of'] if spec.list else [] -%}
    {%- set end = "as_of - interval '" ~ spec.before ~ "'" if spec.before else 'as_of' -%}
    {%- if spec.within -%}
        {%- do conditions.append("occurred_at >= " ~ end ~ " - interval '" ~ spec.within ~ "'") -%}
    {%- endif -%}
    {%- if spec.before -%}
        {%- do conditions.append("occurred_at < " ~ end) -%}
    {%- endif -%}
    {%- if spec.until -%}
        {%- do conditions.append('_until_' ~ trait.name ~ ' is null') -%}
    {%- endif -%}
    {%- if not conditions -%}
        {{ return(trait.name) }}
    {%- endif -%}
    {{ return('case when ' ~ conditions | join(' and ') ~ ' then ' ~ trait.name ~ ' end') }}
{% endmacro %}

{#- What a trait reads from an event that it counts, as an SQL expression; else null. -#}
{% macro trait_reading(trait, plan) %}
    {%- set spec = trait.spec -%}
    {%- if spec.list -%}
        {{ return('cast(null as integer)') }}
    {%- endif -%}
    {%- set text = json_text('properties', spec.property) | trim if spec.property else none -%}
    {%- if spec.aggregate in ['count', 'exists', 'streak'] -%}
        {%- set value = '1' -%}
    {%- elif spec.aggregate in ['first_at', 'last_at', 'days_since', 'minutes_since'] -%}
        {%- set value = 'occurred_at' -%}
    {%- elif spec.aggregate in ['first', 'last', 'most_frequent'] -%}
        {%- set value = typed_text(text, trait.kind) -%}
    {%- elif spec.aggregate == 'count_distinct' -%}
        {%- set value = text -%}
    {%- else -%}
        {%- set value = try_number(text) | trim -%}
    {%- endif -%}
    {%- set filters = trait_filters(trait, plan) -%}
    {%- if spec.until -%}
        {%- set until = '_until_' ~ trait.name -%}
        {%- do filters.append('(' ~ until ~ ' is null or ' ~ until ~ ' > occurred_at)') -%}
    {%- endif -%}
    case when {{ filters | join(' and ') or 'true' }} then {{ value }} end
{%- endmacro %}

{#- The events that a trait may count at some time, as a list of SQL conditions. -#}
{% macro trait_filters(trait, plan) %}
    {%- set filters = event_filters(trait.place, trait.spec, plan) -%}
    {%- if trait.spec.after -%}
        {%- do filters.append('_after_' ~ trait.name) -%}
    {%- endif -%}
    {{ return(filters) }}
{% endmacro %}

{#-
    The events of a trait, or of a step of its `after`, as a list of SQL conditions. Stops the build
    at a name that is not in `plan`, the (event, property, type) rows of the tracking plan.
-#}
{% macro event_filters(place, spec, plan) %}
    {%- set filters = [] -%}
    {%- if '*' not in spec.event -%}
        {%- do filters.append(is_event(place, spec.event, plan)) -%}
    {%- endif -%}
    {%- set of_events = plan | map('first') | unique | list if '*' in spec.event else spec.event -%}
    {%- set types, expressions = trait_properties(of_events, plan) -%}
    {%- if plan and spec.property and spec.property not in types -%}
        {{ exceptions.raise_compiler_error(
            place ~ ' references unknown property "' ~ spec.property
            ~ '": the tracking plan has none for ' ~ spec.event | join(', ')
            ~ '. Add it there and run a whole `dbt build`, or use another property; the most '
            ~ 'similar is "'
            ~ nearest_word(spec.property, types.keys() | list) ~ '".'
        ) }}
    {%- endif -%}
    {#- The property of an outcome of an experiment is summed, too. -#}
    {%- set aggregate = spec.aggregate or 'sum' -%}
    {%- if plan and spec.property and aggregate in ['sum', 'average', 'min', 'max'] -%}
        {%- set kinds = [] -%}
        {%- for event_name, property, type in plan if event_name in of_events -%}
            {%- do kinds.append(type) if property == spec.property -%}
        {%- endfor -%}
        {%- if not kinds | select('in', ['number', 'integer']) | list -%}
            {{ exceptions.raise_compiler_error(
                place ~ ': `' ~ aggregate ~ '` needs a number, but the tracking plan has `'
                ~ spec.property ~ '` as ' ~ kinds | first ~ '. Use the property of a number, or '
                ~ 'correct its type in the plan.'
            ) }}
        {%- endif -%}
    {%- endif -%}
    {%- if spec.where -%}
        {%- set field_types, fields = event_fields() -%}
        {%- set met = declarations().rule_sql(
            place ~ ': `where`', spec.where, dict(field_types, **types) if plan else none,
            target.type, dict(fields, **expressions)
        ) -%}
        {%- do filters.append('(' ~ met ~ ')') -%}
    {%- endif -%}
    {{ return(filters) }}
{% endmacro %}

{#- Whether an event has one of these names, as an SQL condition; each must be in the plan. -#}
{% macro is_event(place, names, plan) %}
    {%- set event_names = plan | map('first') | unique | list -%}
    {%- for name in names if plan and name not in event_names -%}
        {{ exceptions.raise_compiler_error(
            place ~ ' references unknown event "' ~ name ~ '": it is not in the tracking '
            ~ 'plan. Add it there and run a whole `dbt build`, or use another event; the most '
            ~ 'similar is "'
            ~ nearest_word(name, event_names) ~ '".'
        ) }}
    {%- endfor -%}
    {%- set literals = [] -%}
    {%- for name in names -%}{%- do literals.append(text_literal(name)) -%}{%- endfor -%}
    {{ return('event_name in (' ~ literals | join(', ') ~ ')') }}
{% endmacro %}

{#- What a `where` can read of the context of an event: {name: path}. -#}
{% macro context_paths() %}
    {{ return({
        'campaign_source': 'campaign.source',
        'campaign_medium': 'campaign.medium',
        'campaign_name': 'campaign.name',
        'url_path': 'page.path',
        'locale': 'locale',
    }) }}
{% endmacro %}

{#-
    What a `where` can read of an event besides its properties: {name: type} and {name: SQL of its
    value}. A property of the same name comes first.
-#}
{% macro event_fields() %}
    {%- set types = {'is_activity': 'boolean'} -%}
    {%- set expressions = {'is_activity': is_activity('event_name') | trim} -%}
    {%- for column in ['event_name', 'source', 'platform'] -%}
        {%- do expressions.update({column: column}) -%}
    {%- endfor -%}
    {%- for name, path in context_paths().items() -%}
        {%- do expressions.update({name: json_text('context', path) | trim}) -%}
    {%- endfor -%}
    {%- for name in expressions if name not in types -%}
        {%- do types.update({name: 'text'}) -%}
    {%- endfor -%}
    {{ return((types, expressions)) }}
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
        {%- do expressions.update({property: typed_text(text, type)}) -%}
    {%- endfor -%}
    {{ return((types, expressions)) }}
{% endmacro %}

{#-
    The value of a text of a property as a type of the tracking plan, as an SQL expression; null if
    it is none.
-#}
{% macro typed_text(text, type) %}
    {%- if type in ('number', 'integer') -%}
        {{ return(try_number(text) | trim) }}
    {%- elif type == 'boolean' -%}
        {{ return(
            "case lower(" ~ text ~ ") when 'true' then true when 'false' then false end"
        ) }}
    {%- elif type == 'timestamp' -%}
        {{ return(try_timestamp(text) | trim) }}
    {%- endif -%}
    {{ return(text) }}
{% endmacro %}

{#-
    The traits with `sent_as: <column>`, as columns of `activation_audiences` besides `others`.
    Stops the build if two columns would have the same name.
-#}
{% macro sent_traits(others) %}
    {%- set sent = [] -%}
    {%- for trait in declared_traits() if trait.spec.sent_as -%}
        {%- set column = trait.spec.sent_as -%}
        {%- if column in others + sent | map(attribute='column') | list -%}
            {{ exceptions.raise_compiler_error(
                trait.place ~ ' has the duplicate sent_as "' ~ column
                ~ '". Use a name that activation_audiences does not have yet.'
            ) }}
        {%- endif -%}
        {%- do sent.append({'name': trait.name, 'column': column}) -%}
    {%- endfor -%}
    {{ return(sent) }}
{% endmacro %}
