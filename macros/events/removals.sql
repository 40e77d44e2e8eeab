{#- Deletes the rows of removed files from this model; a post hook of models with landed rows. -#}
{% macro delete_removed(files, column, condition) %}
{%- if execute and load_relation(files) and has_rows(files, condition) -%}
delete from {{ this }}
where landed_file in (select {{ column }} from {{ files }} where {{ condition }})
{%- endif -%}
{% endmacro %}

{#-
    Deletes the rows of `int_pending_removals` that all readers have processed; a post hook of that
    model. A reader with newer rows has run since the removal; a missing reader will be built from
    scratch.
-#}
{% macro delete_read_removals() %}
{%- set readers = [
    'int_busy_minutes', 'int_event_counts', 'int_sessions', 'identity_progress'
] -%}
{%- if execute and has_rows(this, 'true') -%}
delete from {{ this }}
where
    true
    {%- for name in readers %}
    {%- set reader = load_relation(relation_of(name)) %}
    {%- if reader %}
    and removed_at <= (
        select max(updated_at) - interval '{{ var("arrival_overlap_minutes") }} minutes'
        from {{ reader }}
    )
    {%- endif %}
    {%- endfor %}
{%- endif -%}
{% endmacro %}
