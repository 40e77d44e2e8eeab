{#- Deletes the rows of removed files from this model; a post hook of models with landed rows. -#}
{% macro delete_removed(files, column, condition) %}
{%- if execute and load_relation(files) and has_rows(files, condition) -%}
delete from {{ this }}
where landed_file in (select {{ column }} from {{ files }} where {{ condition }})
{%- endif -%}
{% endmacro %}
