"""The sizes of a segment on the last days, and what it costs to compute them.

Both follow from the models of the build, computed anew for the declaration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from tideline.declarations.catalog import events_of
from tideline.declarations.checks import ANY
from tideline.declarations.compiled import exact_dicts, text_sql
from tideline.declarations.segments import Declared
from tideline.segments.models import Derived, attributes
from tideline.warehouse.connection import DuckDBWarehouse

DAYS = 30
# Only rules without intervals read the memberships and their history.
_NOBODY = (
    "create or replace temp table _nobody (profile_id varchar, segment_name varchar, "
    "as_of timestamp, dbt_valid_from timestamp, dbt_valid_to timestamp)"
)
# What events state about attributes. It is internal, so a publication does not have it.
STATEMENTS = "int_attribute_statements"
_NO_STATEMENTS = (
    "create or replace temp table _no_statements (profile_id varchar, attribute varchar, "
    "value varchar, event_id varchar, occurred_at timestamp, received_at timestamp, "
    "priority integer, survivor varchar)"
)


@dataclass(frozen=True)
class Past:
    """A segment on the last days.

    `sizes` are those at the end of each of the last `DAYS` days (UTC), the last as of the data
    clock; empty if `because` says why they are not known.
    """

    sizes: dict[date, int]
    because: str | None


@dataclass(frozen=True)
class Cost:
    """What computing a segment costs.

    `events` are those that its traits read, of `all_events` before the data clock. `new_traits` are
    those that the last build does not have. `seconds` is how long the preview took.
    """

    events: int
    all_events: int
    new_traits: tuple[str, ...]
    seconds: float


def live_alone(
    warehouse: DuckDBWarehouse,
    segment: Declared,
    traits: Sequence[Declared],
    plan: Sequence[dict[str, str]],
) -> Derived:
    """The models for one segment over these traits, as if it were live and the only one."""
    live = replace(segment, spec=replace(segment.spec, lifecycle="live"))
    warehouse.execute(_NOBODY)
    warehouse.execute(
        f"create or replace temp table _segments as select '{segment.name}' as segment_name, "
        "'live' as lifecycle, null as without_intervals_because"
    )
    places = {
        "segments": "_segments",
        "segment_memberships": "_nobody",
        "segment_membership_history": "_nobody",
    }
    if not warehouse.has(STATEMENTS):
        warehouse.execute(_NO_STATEMENTS)
        places[STATEMENTS] = "_no_statements"
    return Derived(warehouse, [live], traits, plan, places)


def without_history(
    warehouse: DuckDBWarehouse, segment: Declared, traits: Sequence[Declared]
) -> str | None:
    """Why it is not known who has been in a segment over these traits; None if it is."""
    live = replace(segment, spec=replace(segment.spec, lifecycle="live"))
    (rule,) = exact_dicts([live], traits, "duckdb", attributes())["rules"]
    if rule["attributes"] and not warehouse.has(STATEMENTS):
        return f"it reads `{rule['attributes'][0]}`, whose earlier values are not published"
    because: str | None = rule["because"]
    return because


def past_of(
    warehouse: DuckDBWarehouse,
    segment: Declared,
    traits: Sequence[Declared],
    derived: Derived,
) -> Past:
    """The last days of a segment over these traits, by `live_alone`."""
    if because := without_history(warehouse, segment, traits):
        return Past({}, because)
    derived.compute("segment_intervals")
    sizes = derived.compute("segment_sizes")
    rows = warehouse.query(
        "with days as (select unnest(range(?)) as days_ago), "
        f"last_day as (select max(day) as day from {sizes}) "
        "select cast(last_day.day - cast(days_ago as integer) as date), "
        "coalesce(sizes.profile_count, 0) from days cross join last_day "
        f"left join {sizes} as sizes on sizes.day = last_day.day - cast(days_ago as integer) "
        "order by 1",
        [DAYS],
    )
    return Past(dict(rows), None)


def cost_of(warehouse: DuckDBWarehouse, traits: Sequence[Declared], seconds: float) -> Cost:
    """What a segment over these traits costs."""
    names = events_of(traits)
    literals = ", ".join(text_sql(name, "duckdb") for name in names)
    condition = "true" if names == [*ANY] else f"event_name in ({literals or 'null'})"
    events, all_events = warehouse.query(
        f"select count(*) filter ({condition}), count(*) "
        f"from {warehouse.table('profile_timeline')} "
        f"where occurred_at < (select as_of from {warehouse.table('data_clock')})"
    )[0]
    built = warehouse.columns(warehouse.table("profile_traits"))
    new = tuple(each.name for each in traits if each.name not in built)
    return Cost(events, all_events, new, seconds)
