{% macro try_number(text) -%}
    {#- The bound excludes nan and infinity; `1_000` is a number only in DuckDB. -#}
    case
        when abs(try_cast({{ text }} as double)) < 1e300 and position('_' in {{ text }}) = 0
            then try_cast({{ text }} as double)
    end
{%- endmacro %}
