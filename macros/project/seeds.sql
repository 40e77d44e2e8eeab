{#-
    The rows of a seed as lists of values, read at compile time; empty while dbt parses, before the
    seed is built, and in unit tests, whose inputs are not tables. `--empty` does not empty them,
    since columns may depend on a seed.
-#}
{% macro seed_rows(relation, columns) %}
    {%- if not execute or not relation.schema or not load_relation(relation) -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set query -%}
        select {{ columns | join(', ') }}
        from {{ relation.render() }}
        order by {{ columns | join(', ') }}
    {%- endset -%}
    {{ return(run_query(query).rows | map('list') | list) }}
{% endmacro %}

{#-
    A text of a seed that becomes part of SQL; `what` names its place. A quote, which would end the
    text, or a backslash, which warehouses read differently, stops the build.
-#}
{% macro checked_seed_text(what, text, fix, unsafe=["'", '"', '\\']) %}
    {%- if unsafe | select('in', text or '') | list -%}
        {{ exceptions.raise_compiler_error(
            what ~ ' "' ~ text ~ '" contains a quote or a backslash, which warehouses read '
            ~ 'differently. ' ~ fix
        ) }}
    {%- endif -%}
    {{ return(text) }}
{% endmacro %}

{#- Hash of the rows of seeds, given as {relation: columns}. -#}
{% macro seeds_version(seeds) %}
    {%- set rows = [] -%}
    {%- for seed, columns in seeds.items() -%}
        {%- do rows.extend(seed_rows(seed, columns) | map('join', '|') | sort) -%}
    {%- endfor -%}
    {{ return(local_md5(rows | join('; '))) }}
{% endmacro %}
