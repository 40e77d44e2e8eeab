{#
    Stops a model that is to be made anew while the steps before it hold only what arrivals reached:
    `--full-refresh` of one table alone.
#}
{% macro assert_all_is_reached() %}
    {%- set identifiers, reached = ref('identifiers'), ref('int_reached_identifiers') -%}
    {%- set is_kept = is_incremental() or components_are_kept() -%}
    {%- if execute and flags.WHICH in ['run', 'build'] and not is_kept -%}
        {%- set query -%}
            select count(*) from {{ identifiers }}
            where identifier_id not in (
                select reached.identifier_id from {{ reached }} as reached
            )
        {%- endset -%}
        {%- if run_query(query).rows[0][0] -%}
            {{ exceptions.raise_compiler_error(
                this.identifier ~ ' cannot be rebuilt alone: this run resolves only identifiers '
                ~ 'that new rows reach. Run dbt build --full-refresh --select '
                ~ 'int_touched_identifiers+'
            ) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
