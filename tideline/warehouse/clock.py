"""The clock of this machine, in the form that the warehouse stores, and the present data clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tideline.warehouse.connection import Warehouse

TICK = timedelta(microseconds=1)


def wall_clock() -> datetime:
    """The current time in UTC, without a time zone, as everywhere in the warehouse."""
    return datetime.now(UTC).replace(tzinfo=None)


def present_clock(warehouse: Warehouse) -> datetime | None:
    """The data clock without the var `as_of`, as in its model; None before the first event."""
    newest = []
    for table, clock, later in (
        (
            "int_events_deduplicated",
            "max(case when status <> 'quarantined' then received_at end)",
            TICK,
        ),
        ("forget_requests", "max(as_of)", timedelta(0)),
    ):
        if warehouse.has(table):
            rows = warehouse.query(f"select {clock} from {warehouse.table(table)}")
            newest += [instant + later for (instant,) in rows if instant]
    return max(newest, default=None)
