{% macro try_timestamp(text) -%}
    {{ return(adapter.dispatch('try_timestamp', 'tideline')(text)) }}
{%- endmacro %}

{# The shape is checked first: left to themselves the engines read more than ISO 8601, and not the
   same more ('epoch', '1767225600', '2026-01-01 Europe/Berlin'). What names no zone gets a Z, so
   that the zone of the connection has no say. #}

{% macro duckdb__try_timestamp(text) -%}
    case
        when regexp_full_match({{ text }}, '{{ tideline.iso_8601("zoned") }}')
            then try_cast({{ text }} as timestamptz) at time zone 'UTC'
        when regexp_full_match({{ text }}, '{{ tideline.iso_8601("unzoned") }}')
            then try_cast({{ text }} as timestamp)
    end
{%- endmacro %}

{% macro snowflake__try_timestamp(text) -%}
    cast(convert_timezone('UTC', try_cast(
        case
            when regexp_like({{ text }}, '{{ tideline.iso_8601("zoned") }}')
                then {{ text }}
            when regexp_like({{ text }}, '{{ tideline.iso_8601("date") }}')
                then {{ text }} || 'T00:00:00Z'
            when regexp_like({{ text }}, '{{ tideline.iso_8601("unzoned") }}')
                then {{ text }} || 'Z'
        end as timestamp_tz
    )) as timestamp_ntz(6))
{%- endmacro %}
