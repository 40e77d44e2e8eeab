{#-
    Removes the content of forgotten rows from the archive: every column marked `personal`. A row of
    a forgotten person may land again, and the archive keeps every landed row.
-#}
{% macro empty_forgotten(archive) %}
{%- if execute and has_rows(this, "reason = 'forgotten'") -%}
update {{ archive }} set
    {%- for column in personal_columns('raw_messages') %}
    {{ column }} = null,
    {%- endfor %}
    problem = 'forgotten'
where
    problem is distinct from 'forgotten'
    and (landed_file, landed_line) in (
        select
            landed_file,
            landed_line
        from {{ this }}
        where reason = 'forgotten'
    )
{%- endif -%}
{% endmacro %}
