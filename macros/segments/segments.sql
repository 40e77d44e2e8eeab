{#-
    The declared segments as a list of {name, spec, is_of_shop, file, place, rule}; those of the
    shop only if the var `shop` is true. Empty while dbt only parses.
-#}
{% macro declared_segments() %}
    {{ return(declarations().segments(var('shop')) if execute else []) }}
{% endmacro %}

{#- The segments that may have members, by place; the others are a draft or retired. -#}
{% macro live_segments() %}
    {{ return(declared_segments() | selectattr('spec.lifecycle', 'equalto', 'live') | list) }}
{% endmacro %}

{#- The attributes of golden profiles that rules and labels may read; empty while dbt parses. -#}
{% macro golden_attributes() %}
    {{ return(declarations().golden() if execute else []) }}
{% endmacro %}

{#- The versions of the live segments as a list of {name, version, definition, file}. -#}
{% macro definition_versions() %}
    {{ return(declarations().definitions(var('shop')) if execute else []) }}
{% endmacro %}

{#-
    The last commits of the files that declare versions which no build has used yet, as {file:
    {commit_id, author}}. Without such a version git is not asked.
-#}
{% macro commits_of_new_versions(versions) %}
    {%- set former = [] -%}
    {%- if is_incremental() -%}
        {%- for row in run_query('select definition_id from ' ~ this).rows -%}
            {%- do former.append(row[0]) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set files = [] -%}
    {%- for each in versions if each.name ~ ':' ~ each.version not in former -%}
        {%- do files.append(each.file) -%}
    {%- endfor -%}
    {{ return(declarations().commits(files) if files else {}) }}
{% endmacro %}

{#-
    What the catalog says of declarations besides their keys: `segments` is {name: {kind, events,
    lists}}, `traits` is {name: {type, events, read_by}}. Empty while dbt only parses.
-#}
{% macro catalog_entries() %}
    {{ return(
        declarations().catalog(var('shop')) if execute else {'segments': {}, 'traits': {}}
    ) }}
{% endmacro %}

{#- The names of the syncs that send the members of a segment while it is live. -#}
{% macro audience_syncs(segment) %}
    {% if not execute %}{{ return([]) }}{% endif %}
    {% set exposures = graph.exposures.values() | list %}
    {{ return((
        declarations().syncs_of(exposures, 'activation_audiences', segment)
        + declarations().syncs_of(exposures, 'activation_profiles')
    ) | sort) }}
{% endmacro %}

{#-
    The events that can change each segment, or trait, of `entries`, as a select of `name` and
    `event_name`; `*` is all.
-#}
{% macro events_read(entries) %}
    {%- set selects = [] -%}
    {%- for name, entry in entries.items() -%}
        {%- for event in entry.events -%}
            {%- do selects.append(
                "select '" ~ name ~ "' as name, " ~ text_literal(event) ~ ' as event_name'
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(
        selects | join('\nunion all\n')
        or 'select cast(null as varchar) as name, cast(null as varchar) as event_name where false'
    ) }}
{%- endmacro %}

{#-
    The rule of a segment as SQL over the columns of `profile_attributes`, whose `types` these are.
    A wrong label or creative stops the build here too, before anybody is in the segment.
-#}
{% macro segment_condition(segment, types) %}
    {%- do label_expression(segment, types) -%}
    {%- do declared_creatives() -%}
    {{ return(declarations().segment_sql(segment.rule, types, target.type, hint=shop_hint())) }}
{% endmacro %}

{#- The label of a segment, such as `New prospect – {top_category}`, as an SQL text expression. -#}
{% macro label_expression(segment, types) %}
    {{ return(declarations().label_sql(
        segment.place, segment.spec.label, types, target.type, hint=shop_hint()
    )) }}
{% endmacro %}

{#-
    The values of the columns that a rule reads, as one JSON object per profile; `columns` are those
    of `profile_attributes`, from `attribute_columns`.
-#}
{% macro rule_values(segment, columns) %}
    {%- set names = declarations().rule_columns(segment.rule) -%}
    {%- set found = [] -%}
    {%- for column in columns if column.name | lower in names -%}
        {%- do found.append(column) -%}
    {%- endfor -%}
    {{ row_object(found) }}
{%- endmacro %}

{#-
    The columns that a segment may reference, those of `profile_attributes`; none while dbt parses
    and before the view is built.
-#}
{% macro attribute_columns(relation) %}
    {%- if not execute or not relation.schema or not load_relation(relation) -%}
        {{ return([]) }}
    {%- endif -%}
    {{ return(adapter.get_columns_in_relation(relation)) }}
{% endmacro %}

{#- The same as {name: type}; null if there are none. -#}
{% macro attribute_types(columns) %}
    {%- set types = {} -%}
    {%- for column in columns -%}
        {%- do types.update({column.name | lower: column.dtype}) -%}
    {%- endfor -%}
    {{ return(types or none) }}
{% endmacro %}

{#- The last sentence of an error about an unknown column if the shop is turned off. -#}
{% macro shop_hint() -%}
    {%- set off = 'The var shop is false: the traits and segments of the shop are off' -%}
    {{ return('' if var('shop') else '. ' ~ off) }}
{%- endmacro %}
