{#-
    `source_rows` of a table with the fields that its staging model reads, each under one name and
    found under any of the names that loaders give it. `problem` also covers a missing field of
    `required`, a deleted record, an unreadable timestamp or number, and the first of `refusals`
    (condition to reason) that is met; `original` is then the row. A deleted record makes no event;
    its earlier events stay.
-#}
{% macro source_fields(source, table, texts, instants, numbers={}, refusals={}, required=['id']) %}
{%- set fields = dict(texts) -%}
{%- set problems = [] -%}
{%- for field in required -%}
    {%- do problems.append([field ~ ' is null', 'no ' ~ texts[field][0]]) -%}
{%- endfor -%}
{%- for name in ['is_deleted', 'isdeleted', 'archived', '_fivetran_deleted'] -%}
    {%- do problems.append([is_true(first_text('record', [name])), 'the record was deleted']) -%}
{%- endfor -%}
{%- for field, names in instants.items() -%}
    {%- do fields.update({field ~ '_text': names}) -%}
    {%- do problems.append([
        field ~ '_text is not null and ' ~ field ~ ' is null',
        names[0] ~ ' is not a valid timestamp',
    ]) -%}
{%- endfor -%}
{%- for field, names in numbers.items() -%}
    {%- do fields.update({field ~ '_text': names}) -%}
    {%- do problems.append([
        field ~ '_text is not null and ' ~ field ~ ' is null',
        names[0] ~ ' is not a number',
    ]) -%}
{%- endfor -%}
{%- for condition, words in refusals.items() -%}
    {%- do problems.append([condition, words]) -%}
{%- endfor -%}
select
    * exclude (problem, original),
    problem,
    case when problem is not null then coalesce(original, cast(record as varchar)) end as original
from (
    select
        * exclude (problem),
        coalesce(
            problem,
            case
                {%- for condition, words in problems %}
                when {{ condition }} then '{{ table[0] }}: {{ words }}'
                {%- endfor %}
            end
        ) as problem
    from (
        select
            *
            {%- for field in instants %},
            {{ try_timestamp(field ~ '_text') | indent(12) }} as {{ field }}
            {%- endfor %}
            {%- for field in numbers %},
            {{ try_number(field ~ '_text') | indent(12) }} as {{ field }}
            {%- endfor %}
        from (
            select
                *,
                {%- for field, names in fields.items() %}
                {{ first_text('record', names) | indent(16) }}
                as {{ field }}{{ ',' if not loop.last }}
                {%- endfor %}
            from (
                {{ source_rows(source, table) | indent(16) }}
            ) as rows_of_source
        ) as named
    ) as typed
) as checked
{% endmacro %}

{#- Fields of a JSON object as text, as `first_text` gives them, by name. -#}
{% macro field_texts(record, names) %}
    {%- set texts = {} -%}
    {%- for name in names -%}
        {%- do texts.update({name: first_text(record, [name])}) -%}
    {%- endfor -%}
    {{ return(texts) }}
{% endmacro %}

{#-
    The first of several fields of a JSON object that is not blank, since loaders name fields
    differently. `plan.id` is field `id` of the object in field `plan`, which may be written as
    text.
-#}
{% macro first_text(record, names) -%}
{%- set texts = [] -%}
{%- for name in names -%}
    {%- set field, inner = (name ~ '.').split('.', 1) -%}
    {%- set text = json_text(record, field) -%}
    {%- if inner -%}
        {%- set text = json_text(parse_json_text(text), inner.rstrip('.')) -%}
    {%- endif -%}
    {%- do texts.append("nullif(trim(" ~ text ~ "), '')") -%}
{%- endfor -%}
{%- if texts | length == 1 -%}
{{ texts[0] }}
{%- else -%}
coalesce(
    {{ texts | join(',\n    ') }}
)
{%- endif -%}
{%- endmacro %}

{#-
    A text without surrounding blanks; null if nothing is left. Most texts have none and skip the
    trimming, which reads each character.
-#}
{% macro trimmed(text) -%}
case
    when {{ text }} = '' or {{ text }} like ' %' or {{ text }} like '% '
        then nullif(trim({{ text }}), '')
    else {{ text }}
end
{%- endmacro %}

{#- Whether a text means true, as JSON, CSV and databases write it; false for null. -#}
{% macro is_true(text) -%}
coalesce(lower({{ text }}) in ('true', 't', '1'), false)
{%- endmacro %}

{#- Whether a text means false, as JSON, CSV and databases write it; false for null. -#}
{% macro is_false(text) -%}
coalesce(lower({{ text }}) in ('false', 'f', '0'), false)
{%- endmacro %}
