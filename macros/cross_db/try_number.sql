{% macro try_number(text) -%}
    {#- The bound keeps out nan and infinity; `1_000` is a number to DuckDB only. -#}
    case
        when abs(try_cast({{ text }} as double)) < 1e300 and position('_' in {{ text }}) = 0
            then try_cast({{ text }} as double)
    end
{%- endmacro %}
