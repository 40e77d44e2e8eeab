{% macro try_timestamp(text) -%}
    {{ return(adapter.dispatch('try_timestamp', 'tideline')(text)) }}
{%- endmacro %}

{# The shape is checked first: left to themselves the engines read more than ISO 8601, and not the
   same more ('epoch', '2026-01-01 Europe/Berlin'). What names no zone gets a Z, so that the zone of
   the connection has no say. Of numbers the size tells the unit: in seconds 1e11 is the year 5138,
   in milliseconds 1973. #}

{% macro duckdb__try_timestamp(text) -%}
    case
        {# What nearly all trackers send goes first, without a regular expression. The cast takes
           more: it passes over a word in place of the fraction, a minus and a missing digit. #}
        when
            ({{ text }} like '____-__-__T__:__:__.___Z' or {{ text }} like '____-__-__T__:__:__Z')
            and not contains({{ text }}, ' ')
            and not contains({{ text }}, '.Z')
            and not contains({{ text }}, 'T24')
            and not starts_with({{ text }}, '-')
            then try_cast({{ text }} as timestamp)
        when regexp_full_match({{ text }}, '{{ tideline.iso_8601("zoned") }}')
            then try_cast({{ text }} as timestamptz) at time zone 'UTC'
        when regexp_full_match({{ text }}, '{{ tideline.iso_8601("unzoned") }}')
            then try_cast({{ text }} as timestamp)
        when regexp_full_match({{ text }}, '{{ tideline.iso_8601("epoch") }}')
            then make_timestamp(cast(
                cast({{ text }} as decimal(30, 6)) * {{ tideline.epoch_unit(text) }} as bigint
            ))
    end
{%- endmacro %}

{% macro snowflake__try_timestamp(text) -%}
    coalesce(
        cast(convert_timezone('UTC', try_cast(
            case
                when regexp_like({{ text }}, '{{ tideline.iso_8601("zoned") }}')
                    then {{ text }}
                when regexp_like({{ text }}, '{{ tideline.iso_8601("date") }}')
                    then {{ text }} || 'T00:00:00Z'
                when regexp_like({{ text }}, '{{ tideline.iso_8601("unzoned") }}')
                    then {{ text }} || 'Z'
            end as timestamp_tz
        )) as timestamp_ntz(6)),
        case
            when regexp_like({{ text }}, '{{ tideline.iso_8601("epoch") }}')
                then dateadd(
                    'microsecond',
                    cast(
                        cast({{ text }} as decimal(30, 6)) * {{ tideline.epoch_unit(text) }}
                        as bigint
                    ),
                    cast('1970-01-01' as timestamp_ntz(6))
                )
        end
    )
{%- endmacro %}
