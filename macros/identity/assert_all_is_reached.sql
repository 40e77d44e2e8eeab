{#
    Stops a full rebuild of one model (`--full-refresh`) while the steps before it hold only what
    new rows reach.
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
