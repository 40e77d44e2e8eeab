"""Puts the counts of a landing into words: what a build will quarantine and why, and doubts.

No identifier is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tideline.landing.landed_check import IDS, Breach, Checked, Event
from tideline.landing.mapping import LogMapping, Value
from tideline.landing.plan_accept import PLAN
from tideline.landing.plan_infer import is_event_name, names_of, renamed, shown_name
from tideline.text import counted, shown_path, table

MOST_EVENTS = 20
# The least numbers of rows and people for a statement about shares.
ENOUGH = 20
FEWEST = 5
MANY_REPEATS = 0.1
MOST_OF_ALL = 0.5
NEARLY_ALL = 0.9
LONGEST_YEARS = 30


def summary(
    checked: Checked,
    mapping: LogMapping,
    seeds: Path,
    places: Mapping[Path, Callable[[int], str]] | None = None,
    title: str = "Landed:",
) -> str:
    """The counts as lines of text; `places` name the place of a message of each file in its log."""
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in checked.ids.items() if n)
    lines = [
        title,
        f"  rows         {checked.rows:,}",
        f"  identifiers  {kinds or 'none'}",
        f"  time         {checked.first} UTC to {checked.last} UTC"
        if checked.first
        else "  time         none",
    ]
    if sum(n > 0 for n in checked.ids.values()) > 1:
        lines.append("  A build joins the identifiers of one person into one profile.")
    rows = [
        (shown_name(each.name or "(no name)"), each.rows, remark(each, checked))
        for each in checked.events[:MOST_EVENTS]
    ]
    lines.append(table(["event", "rows", ""], rows))
    more = checked.events[MOST_EVENTS:]
    if more:
        events, rest = counted(len(more), "more event"), sum(each.rows for each in more)
        lines.append(f"  and {events} with {counted(rest, 'row')}")
    return "\n".join([*lines, *(f"  {line}" for line in fates(checked, mapping, seeds, places))])


def remark(event: Event, checked: Checked) -> str:
    """The problem of an event with the tracking plan; empty if there is none."""
    if not event.name:
        return "no event name: will be quarantined"
    if not event.is_known and not is_event_name(event.name):
        return f"{renamed(event.name)}: will be quarantined"
    if not event.is_known:
        return "not in the tracking plan: will be quarantined"
    is_broken = any(each.rule["event_name"] == event.name for each in checked.breaches)
    return "breaks the tracking plan: see below" if is_broken else ""


def fates(
    checked: Checked,
    mapping: LogMapping,
    seeds: Path,
    places: Mapping[Path, Callable[[int], str]] | None,
) -> Iterator[str]:
    """Lines about what a build will do with the rows: its counts, reasons and fixes."""

    def first(rows: int, examples: Sequence[tuple[Path, int]]) -> str:
        if places is None:
            return ""
        start = "first " if rows > len(examples) else ""
        return f" ({start}{', '.join(places[file](row) for file, row in examples)})"

    refused = sum(checked.refused.values())
    yield (
        f"A build makes of them: {counted(checked.accepted, 'event')}, "
        f"{checked.repeats:,} duplicated, {refused:,} quarantined."
    )
    if checked.repeats:
        repeat = counted(checked.repeats, "row is a duplicate", "rows are duplicates")
        yield f"{repeat}, with the event id of another row, and will not count twice."
    if checked.clamped:
        yield (
            f"{counted(checked.clamped, 'row is', 'rows are')} dated before 1990 or after the "
            "arrival: the time of arrival will be used."
        )
    for why, (one, several, what) in REFUSED.items():
        if rows := checked.refused.get(why):
            seen = first(rows, checked.examples[why])
            yield f"{counted(rows, f'row {one}', f'rows {several}')} {what}{seen}."
    if rows := checked.refused.get("nobody"):
        seen = first(rows, checked.examples["nobody"])
        yield f"{counted(rows, 'row names', 'rows name')} nobody: {nobody(mapping)}{seen}."
    if checked.addressed:
        yield (
            f"{counted(checked.addressed, 'row names', 'rows name')} somebody by an email alone "
            "and will be in no session: if they are visits, map user_id to the same column."
        )
    if rows := checked.refused.get("unknown"):
        events = counted(len(checked.quarantined_as_unknown()), "event")
        seen = first(rows, checked.examples["unknown"])
        yield f"{counted(rows, 'row is', 'rows are')} of {events} not in the tracking plan{seen}."
    if rows := checked.refused.get("broken"):
        yield f"{counted(rows, 'row breaks', 'rows break')} the tracking plan:"
        for breach in checked.breaches:
            file, row = breach.first
            seen = f"; see {places[file](row)}" if places else ""
            how = fix(breach, mapping, seeds)
            yield f"  {breach.reason}, {counted(breach.rows, 'row')}: {how}{seen}"


# By key of `Checked.refused`: the verb for one row, the verb for several, and the rest.
REFUSED = {
    "unreadable": ("cannot", "cannot", "be read"),
    "untimed": ("has", "have", "no readable time"),
    "early": ("is", "are", "dated before 1990"),
    "late": ("is", "are", "dated in the future"),
    "unnamed": ("has", "have", "no event name: say which under event"),
}


def nobody(mapping: LogMapping) -> str:
    """A sentence about the columns of the person, which are empty, with the fix."""
    named = [
        f"{key} ({place(value)})" for key in IDS if (value := getattr(mapping, key)) is not None
    ]
    are = "is" if len(named) == 1 else "are all" if len(named) > 2 else "are both"
    listed = " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
    return f"{listed} {are} empty; if another column names them, map it too"


def place(value: Value) -> str:
    """The origin of a value of the mapping, in words."""
    return f"column {value.value}" if value.kind == "column" else f"its {value.kind}"


def fix(breach: Breach, mapping: LogMapping, seeds: Path) -> str:
    """The fix for a broken rule: an edit of the mapping, or of a line of the plan."""
    event, name = breach.rule["event_name"], breach.rule["property"]
    line = f"{shown_path(seeds / PLAN)}:{breach.line}"
    value = next(
        (v for k in names_of(event, name, seeds) if (v := mapping.properties.get(k))), None
    )
    if breach.reason.endswith(" is missing"):
        loosened = f"write false under is_required in {line}"
        if value:
            return f"{value.key} ({place(value)}) is empty; {loosened}"
        return f"map a column to properties.{name} in {mapping.path}, or {loosened}"
    column = "property_type"
    if " is not one of " in breach.reason:
        column = "allowed_values"
    elif " does not match " in breach.reason:
        column = "pattern"
    where = f"{value.key} in {mapping.path}" if value else f"the values of {name}"
    if value and value.kind == "column" and breach.reason.endswith(" is not a number"):
        where += f" (such as {{sql: decimal_comma({value.value})}})"
    return f"correct {where}, or {column} in {line}"


def warnings(checked: Checked) -> list[str]:
    """Doubts about the mapping, as sentences."""
    found = []
    if checked.plan_problem:
        found.append(
            "no row was compared with the tracking plan, which has a problem: "
            f"{checked.plan_problem}. `tideline plan check` lists all"
        )
    if checked.rows >= ENOUGH and checked.repeats > MANY_REPEATS * checked.rows:
        most = "most" if checked.repeats > checked.rows / 2 else "many"
        found.append(
            f"{most} rows are duplicates: {checked.repeats:,} of {checked.rows:,} have an event id "
            "that another row has, and only one row per id is kept. Map event_id to a column "
            "that differs in each row, or leave it out."
        )
    if checked.owned >= ENOUGH and checked.people == 1:
        found.append("all rows belong to one person; is the right column mapped to the person?")
    elif checked.owned >= ENOUGH and checked.busiest > MOST_OF_ALL * checked.owned:
        found.append(
            f"one person has {checked.busiest:,} of {checked.owned:,} rows; is it a placeholder "
            "for nobody (guest, 0), which a filter or nullif() should leave out?"
        )
    if checked.people >= FEWEST and checked.dated > NEARLY_ALL * checked.people:
        found.append("the identifiers are dates; is the right column mapped to the person?")
    elif checked.people >= FEWEST and checked.owned > checked.people and checked.is_daily:
        found.append(
            "each day has one person, who is there on no other day; is the right column mapped to "
            "the person?"
        )
    if checked.people >= ENOUGH and checked.once > NEARLY_ALL * checked.people:
        found.append(
            f"{checked.once:,} of {checked.people:,} people have exactly one event; is the column "
            "that is mapped to the person rather the id of a row?"
        )
    return found + doubts_of_time(checked)


def doubts_of_time(checked: Checked) -> list[str]:
    """Doubts about the times of the rows, as sentences."""
    found, years = [], checked.years
    if checked.rows >= ENOUGH and checked.timed and not years:
        found.append("all rows have the same time; is the right column mapped to time?")
    if years > LONGEST_YEARS:
        found.append(f"the rows span {years:.0f} years; look at the unit and format of time")
    far = checked.misdated + sum(checked.refused.get(each, 0) for each in ("early", "late"))
    if far:
        some = "all" if far == checked.timed else "some"
        found.append(f"{some} times are before 1990 or in the future; look at how time is read")
    if checked.timed >= ENOUGH and checked.midnights == checked.timed and years:
        found.append(
            "all times are midnight: the log has dates without a time of day, so what a person "
            "did on one day is one session, or its time of day is in another column: "
            """time: {sql: '"Date" || '' '' || "Heure"', format: '%d/%m/%Y %Hh%M'}"""
        )
    return found
