{% macro try_timestamp(text) -%}
    {{ return(adapter.dispatch('try_timestamp', 'tideline')(text)) }}
{%- endmacro %}

{#
   The format is checked first, since each engine also reads texts that are not ISO 8601 ('epoch',
   '2026-01-01 Europe/Berlin'). Texts without a zone get a Z, so that the zone of the connection
   does not matter. The size of a number gives its unit: 1e11 is the year 5138 in seconds and 1973
   in milliseconds.
#}

{% macro duckdb__try_timestamp(text) -%}
    case
        {#
           The format of nearly all trackers comes first, without a regular expression. The cast
           alone accepts too much: it ignores a word in place of the fraction, a minus and a missing
           digit.
        #}
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
