"""What was landed, as a person would check it: rows, people, events, span of time, and doubts.

All numbers are counted from the landed messages themselves. No identifier is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from tideline.landing.log_files import literal
from tideline.landing.plan_check import SEEDS, event_key, properties_of
from tideline.landing.plan_infer import is_event_name, read_seed, renamed, shown_name
from tideline.text import counted, table
from tideline.warehouse.duckdb_file import only_row

MOST_EVENTS = 20
# Fewer rows or people say nothing about shares.
ENOUGH = 20
MANY_REPEATS = 0.1
MOST_OF_ALL = 0.5
NEARLY_ALL = 0.9
LONGEST_YEARS = 30


@dataclass(frozen=True)
class Event:
    """An event as the graph will name it. `lacking`: rows without a property the plan requires."""

    name: str | None
    rows: int
    is_known: bool
    lacking: dict[str, int]


@dataclass(frozen=True)
class Checked:
    """The counts of landed messages.

    `repeats` are rows whose id another row has: the graph keeps one of each. `busiest` is the
    number of rows of the person who has most, `once` the number of people with a single row.
    """

    rows: int
    unreadable: int
    untimed: int
    early: int
    late: int
    nobody: int
    repeats: int
    people: int
    busiest: int
    once: int
    first: datetime | None
    last: datetime | None
    midnights: int
    ids: dict[str, int]
    events: list[Event]

    def unknown(self) -> list[Event]:
        """The events that the tracking plan does not know."""
        return [event for event in self.events if event.name and not event.is_known]

    def summary(self, title: str = "Landed:") -> str:
        """The counts for a person."""
        kinds = ", ".join(f"{n:,} by {kind}" for kind, n in self.ids.items() if n)
        lines = [
            title,
            f"  rows    {self.rows:,}",
            f"  people  {self.people:,}" + (f" ({kinds})" if kinds else ""),
            f"  time    {clock(self.first)} to {clock(self.last)}",
        ]
        rows = [
            (shown_name(each.name or "(no name)"), each.rows, remark(each))
            for each in self.events[:MOST_EVENTS]
        ]
        lines.append(table(["event", "rows", ""], rows))
        more = self.events[MOST_EVENTS:]
        if more:
            rest = sum(each.rows for each in more)
            events = counted(len(more), "more event")
            lines.append(f"  and {events} with {counted(rest, 'row')}")
        return "\n".join([*lines, *(f"  {line}" for line in self.set_apart())])

    def set_apart(self) -> list[str]:
        """Rows that the graph will set apart as duplicated or quarantined, and why."""
        causes = [
            (self.repeats, "repeats", "repeat", "the event id of another row: a duplicate"),
            (self.unreadable, "cannot", "cannot", "be read and will be quarantined"),
            (self.untimed, "has", "have", "no readable time and will be quarantined"),
            (self.early, "is", "are", "of before 1990: the time will be refused or replaced"),
            (self.late, "is", "are", "of the future and will be quarantined"),
            (self.nobody, "names", "name", "nobody and will be quarantined"),
        ]
        return [
            f"{counted(rows, f'row {does}', f'rows {do}')} {what}."
            for rows, does, do, what in causes
            if rows
        ]

    def warnings(self) -> list[str]:
        """Doubts about the mapping, in plain words."""
        found = []
        if self.rows >= ENOUGH and self.repeats > MANY_REPEATS * self.rows:
            most = "most" if self.repeats > self.rows / 2 else "many"
            found.append(
                f"{most} rows are duplicates: {self.repeats:,} of {self.rows:,} have an event id "
                "that another row has, and only one row per id is kept. Map event_id to a column "
                "that differs in each row, or leave it out."
            )
        owned = self.rows - self.unreadable - self.nobody
        if owned >= ENOUGH and self.people == 1:
            found.append("all rows belong to one person; is the right column mapped to the person?")
        elif owned >= ENOUGH and self.busiest > MOST_OF_ALL * owned:
            found.append(
                f"one person has {self.busiest:,} of {owned:,} rows; is it a placeholder for "
                "nobody (guest, 0), which a filter or nullif() should leave out?"
            )
        if self.people >= ENOUGH and self.once > NEARLY_ALL * self.people:
            found.append(
                f"{self.once:,} of {self.people:,} people have exactly one event; is the column "
                "that is mapped to the person rather the id of a row?"
            )
        if self.rows >= ENOUGH and self.untimed > NEARLY_ALL * self.rows:
            found.append("hardly any row has a readable time; say its format under time")
        if lacking := sorted({name for event in self.events for name in event.lacking}):
            found.append(
                f"rows without {', '.join(lacking)} will be quarantined; map a column to it under "
                "properties, or set its is_required to false in seeds/tracking_plan.csv"
            )
        if self.first and self.last:
            found += self.doubts_of_time(self.first, self.last)
        return found

    def doubts_of_time(self, first: datetime, last: datetime) -> list[str]:
        """Doubts about the span of time."""
        found, years = [], (last - first).days / 365.25
        if self.rows >= ENOUGH and first == last:
            found.append("all rows have the same time; is the right column mapped to time?")
        if years > LONGEST_YEARS:
            found.append(f"the rows span {years:.0f} years; look at the unit and format of time")
        if self.early or self.late:
            found.append("some times are before 1990 or in the future; look at how time is read")
        timed = self.rows - self.unreadable - self.untimed
        if timed >= ENOUGH and self.midnights == timed and first != last:
            found.append(
                "all times are midnight: the log has dates without a time of day, so what a person "
                "did on one day is one session"
            )
        return found


def clock(at: datetime | None) -> str:
    """An instant for a person."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "none"


def remark(event: Event) -> str:
    """What the tracking plan says of an event."""
    if not event.name:
        return "no event name: will be quarantined"
    if not event.is_known and not is_event_name(event.name):
        return f"{renamed(event.name)}: will be quarantined"
    if not event.is_known:
        return "not in the tracking plan: will be quarantined"
    lacking = ", ".join(f"{rows:,} lack {name}" for name, rows in event.lacking.items())
    return f"{lacking}: will be quarantined" if lacking else ""


WHO = "coalesce(user_id, email, anonymous_id)"
# Without a readable time there is no receivedAt either.
LANDED = """
    select
        messageId as event_id,
        nullif(trim(userId), '') as user_id,
        nullif(trim(anonymousId), '') as anonymous_id,
        nullif(trim(context -> 'traits' ->> 'email'), '') as email,
        timezone('UTC', try_cast(receivedAt as timestamptz)) as received_at,
        case
            when receivedAt is not null then timezone('UTC', try_cast(timestamp as timestamptz))
        end as occurred_at,
        lower(replace(replace(trim(event), ' ', '_'), '-', '_')) as event_key,
        properties
    from read_parquet([{paths}])
"""
COUNTS = f"""
    select
        count(*),
        count(*) filter (where event_id is null),
        count(*) filter (where event_id is not null and occurred_at is null),
        count(*) filter (where occurred_at < timestamp '1990-01-01'),
        count(*) filter (where received_at > timezone('UTC', now()) + interval 1 day),
        count(*) filter (where event_id is not null and {WHO} is null),
        min(occurred_at),
        max(occurred_at),
        count(*) filter (where occurred_at = date_trunc('day', occurred_at))
    from checked
"""
PEOPLE = f"""
    select count(*), coalesce(max(n), 0), count(*) filter (where n = 1)
    from (select count(*) as n from checked where {WHO} is not null group by {WHO})
"""
REPEATS = """
    select coalesce(sum(n - 1), 0)
    from (select count(*) as n from checked where event_id is not null group by event_id)
"""


def check_landed(
    con: duckdb.DuckDBPyConnection, paths: Sequence[Path], seeds: Path = SEEDS
) -> Checked:
    """Count what stands in landed files."""
    con.execute(
        "create or replace temp view checked as "
        + LANDED.format(paths=", ".join(literal(str(path)) for path in paths))
    )
    rows, unreadable, untimed, early, late, nobody, first, last, midnights = only_row(con, COUNTS)
    people, busiest, once = only_row(con, PEOPLE)
    (repeats,) = only_row(con, REPEATS)
    ids = {
        kind: only_row(
            con,
            f"select count(*) from (select {kind} from checked where {kind} is not null "
            "group by 1)",
        )[0]
        for kind in ("user_id", "email", "anonymous_id")
    }
    return Checked(
        rows=rows,
        unreadable=unreadable,
        untimed=untimed,
        early=early,
        late=late,
        nobody=nobody,
        repeats=int(repeats),
        people=people,
        busiest=busiest,
        once=once,
        first=first,
        last=last,
        midnights=midnights,
        ids=ids,
        events=count_events(con, seeds),
    )


def count_events(con: duckdb.DuckDBPyConnection, seeds: Path) -> list[Event]:
    """The events under the names that the graph gives them, the most frequent first."""
    aliases = {
        event_key(row["alias"]): row["event_name"]
        for _, row in read_seed(seeds, "event_aliases.csv")
    }
    plan_rows = read_seed(seeds, "tracking_plan.csv")
    plan = properties_of(plan_rows)
    counts: dict[str | None, int] = {}
    lacking: dict[str | None, dict[str, int]] = {}
    for key, rows in con.execute(
        "select event_key, count(*) from checked where event_id is not null group by 1"
    ).fetchall():
        name = aliases.get(key, key)
        counts[name] = counts.get(name, 0) + rows
        for _, row in plan_rows:
            if row["event_name"] == name and row["is_required"] == "true":
                absent = without(con, key, names_of(name, row["property"], seeds))
                if absent:
                    found = lacking.setdefault(name, {})
                    found[row["property"]] = found.get(row["property"], 0) + absent
    # An empty plan forbids nothing.
    return [
        Event(name, rows, not plan or name in plan, lacking.get(name, {}))
        for name, rows in sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))
    ]


def names_of(event: str, name: str, seeds: Path = SEEDS) -> list[str]:
    """A property of the plan and the keys that stand for it in the collector's events."""
    return [
        name,
        *(
            row["alias"]
            for _, row in read_seed(seeds, "property_aliases.csv")
            if row["property"] == name
            and row["event_name"] in ("*", event)
            and row["source"] in ("*", "collector")
        ),
    ]


def without(con: duckdb.DuckDBPyConnection, key: str, names: list[str]) -> int:
    """The rows of an event that have none of these properties."""
    keys = " and ".join(
        f"properties ->> {literal('$.' + path_of_key(name))} is null" for name in names
    )
    return only_row(
        con,
        f"select count(*) from checked where event_id is not null and event_key = ? and {keys}",
        [key],
    )[0]


def path_of_key(name: str) -> str:
    """A property such as `items[0].item_id` as a JSON path."""
    parts = []
    for part in name.split("."):
        key, *index = re.split(r"(?=\[)", part, maxsplit=1)
        parts.append(f'"{key}"' + "".join(index))
    return ".".join(parts)
