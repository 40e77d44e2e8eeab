{#-
    The rows of one table of a source, from landed files or from a loader's table in a schema of the
    warehouse (var `sources`). One select with `landed_file, landed_line, landed_at, record,
    problem, original`, which is empty while nothing has landed or the table does not exist. `table`
    and `loaded_at` are a name or the names that loaders give them; all existing tables are read,
    but only the first existing column.
-#}
{% macro source_rows(
    source,
    table,
    loaded_at=['_fivetran_synced', '_airbyte_extracted_at', '_airbyte_emitted_at', '_dlt_load_id']
) %}
{%- set tables = [table] if table is string else table -%}
{#- In both modes the model has the same place in the graph. -#}
{%- set raw_messages = ref('raw_messages') -%}
{%- set place = checked_var('sources').get(source, 'landing') -%}
{%- if place == 'landing' -%}
select
    landed_file,
    landed_line,
    landed_at,
    record,
    problem,
    original
from {{ raw_messages }}
where
    source = '{{ source }}'
    and table_name in ('{{ tables | join("', '") }}')
{%- else -%}
{%- set selects = [] -%}
{%- for name in tables if execute -%}
    {%- set relation = loaded_relation(place, name) -%}
    {%- if relation -%}
        {%- do selects.append(loaded_rows(source, relation, loaded_at)) -%}
    {%- endif -%}
{%- endfor -%}
{%- if not selects -%}
    {%- do selects.append(no_source_rows()) -%}
{%- endif -%}
{{ selects | join('\nunion all\n') }}
{%- endif -%}
{% endmacro %}

{#-
    Every source with models, and those that the var `sources` adds. dbt does not know the models of
    a source that is off, and Jinja cannot list the folders of models/staging: a test compares.
-#}
{% macro known_sources() %}
    {{ return([
        'collector', 'ga4', 'hubspot', 'rudderstack', 'salesforce', 'segment', 'snowplow',
        'stripe', 'zendesk',
    ] + checked_var('sources') | list) }}
{% endmacro %}
