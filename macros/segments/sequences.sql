{#-
    CTEs over the CTE `events` (profile_id, event_id, event_name, occurred_at, properties) that end
    with `ordered_events`: the events, with what traits with `after` and `until` need to know about
    the events before and after each one.

    - `_after_<trait>`: whether the events of `after` came before it, in order.
    - `_until_<trait>`: the time of the first event of `until` at its time or later.
-#}
{% macro ordered_events(traits, plan) %}
{%- set followed, longest = [], [0] -%}
{%- for trait in traits if trait.spec.after -%}
    {%- do followed.append(trait) -%}
    {%- do longest.append(trait.spec.after | length) -%}
{%- endfor -%}
{%- for level in range(1, (longest | max) + 2) if followed %}
events_{{ level }} as (

    select
        *
        {%- for trait in followed if level <= trait.spec.after | length + 1 %},
        {{ sequence_step(trait, level, plan) | trim | indent(8) }}
        {%- endfor %}
    from {{ 'events' if level == 1 else 'events_' ~ (level - 1) }}

),
{% endfor %}
ordered_events as (

    select
        *
        {%- for trait in traits if trait.spec.until %},
        min(
            case when {{ is_event(trait.place, trait.spec.until, plan) }} then occurred_at end
        ) over (
            partition by profile_id order by occurred_at
            range between current row and unbounded following
        ) as _until_{{ trait.name }}
        {%- endfor %}
    from {{ 'events_' ~ ((longest | max) + 1) if followed else 'events' }}

),
{% endmacro %}

{#-
    Whether an event is the step of this number of `after`, after all steps before it: the column
    `_step_<number>_<trait>`. The last number stands for the event that the trait counts, and is
    `_after_<trait>`.

    The latest step before is both the nearest in time and the least interrupted, so it decides. An
    event of the same time counts as before; of two events that could be both, one is before.
-#}
{% macro sequence_step(trait, number, plan) %}
    {%- set steps = trait.spec.after -%}
    {%- set filters = [] -%}
    {%- if number <= steps | length -%}
        {%- do filters.extend(event_filters(trait.place, steps[number - 1], plan)) -%}
    {%- endif -%}
    {%- if number > 1 -%}
        {%- set step, former = steps[number - 2], '_step_' ~ (number - 1) ~ '_' ~ trait.name -%}
        {%- set latest -%}
        case
            when {{ former }} then max(case when {{ former }} then occurred_at end) over (
                partition by profile_id order by occurred_at, event_id
                rows between unbounded preceding and 1 preceding
            )
            else max(case when {{ former }} then occurred_at end) over (
                partition by profile_id order by occurred_at
                range between unbounded preceding and current row
            )
        end
        {%- endset -%}
        {%- if step.within -%}
            {%- do filters.append(latest ~ " >= occurred_at - interval '" ~ step.within ~ "'") -%}
        {%- else -%}
            {%- do filters.append(latest ~ ' is not null') -%}
        {%- endif -%}
        {%- if step.without -%}
            {%- set between -%}
            max(
                case when {{ is_event(trait.place, step.without, plan) }} then occurred_at end
            ) over (
                partition by profile_id order by occurred_at
                range between unbounded preceding and interval '1 microseconds' preceding
            )
            {%- endset -%}
            {%- do filters.append('coalesce(' ~ between ~ ' <= ' ~ latest ~ ', true)') -%}
        {%- endif -%}
    {%- endif -%}
    coalesce({{ filters | join(' and ') or 'true' }}, false) as {{
        '_after_' ~ trait.name if number > steps | length
        else '_step_' ~ number ~ '_' ~ trait.name
    }}
{%- endmacro %}
