"""Reports about a landing, and adds its unknown events to the tracking plan on request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import yaml

from tideline.declarations.unreachable import declared_rules, sentences
from tideline.landing.guess_event import LOGGED, known_events
from tideline.landing.landed_check import Event, check_landed
from tideline.landing.landed_words import summary, warnings
from tideline.landing.mapping import LogMapping, words
from tideline.landing.plan_accept import PLAN, Accepted, accept
from tideline.landing.plan_check import properties_of, snake_case
from tideline.landing.plan_infer import (
    LEAST_ROWS,
    PERSONAL_NAME,
    infer_unknown,
    is_event_name,
    read_seed,
    renamed,
    shown_name,
)
from tideline.landing.plan_stale import (
    looser_lines,
    looser_warning,
    stale_lines,
    stale_warning,
)
from tideline.text import counted, shown, shown_path

MOST_LINES = 5


@dataclass
class Report:
    """Lines of text, and warnings."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def report(
    con: duckdb.DuckDBPyConnection,
    places: Mapping[Path, Callable[[int], str]],
    mapping: LogMapping,
    seeds: Path,
    is_accepting: bool,
    said: Report,
) -> None:
    """Check files landed with a mapping; add their unknown events to the plan if `is_accepting`.

    `places` has the files, each with the function that names the place of a message in the log.
    Adds to `said`. Raises InferError if the plan cannot be changed.
    """
    outputs = [*places]
    checked = check_landed(con, outputs, seeds, mapping.time.timezone)
    looser = looser_lines(con, outputs, seeds)
    if is_accepting and checked.unknown():
        proposal = infer_unknown(con, outputs, seeds)
        known = known_events(seeds)
        accepted = accept(proposal.rows, seeds, [path.stem for path in outputs])
        said.warnings += doubtful_names(accepted.events, known)
        said.lines.append(accepted_lines(accepted, seeds))
        said.lines += [f"  {note}" for note in proposal.notes]
        checked = check_landed(con, outputs, seeds, mapping.time.timezone)
    elif is_accepting and read_seed(seeds, PLAN):
        said.lines.append(
            f"Nothing was added to {shown_path(seeds / PLAN)}: the plan has the events of this "
            "landing already."
        )
    said.lines.append(summary(checked, mapping, seeds, places))
    named = [each.name for each in checked.events if each.name and each.accepted]
    why = "is in this landing, which brings these segments no members"
    refused = {each.name for each in checked.events if each.name} - {*named}
    said.lines += sentences(declared_rules(), named, why, quarantined=refused)
    said.lines += beside_the_plan(con, seeds)
    said.warnings += [*warnings(checked), *of_sessions(mapping)]
    unknown = checked.quarantined_as_unknown()
    if unknown:
        said.warnings.append(unknown_warning(unknown, mapping, seeds, is_accepting))
    if looser:
        said.warnings.append(looser_warning(looser, seeds))
    if stale := stale_lines(con, outputs, seeds):
        said.warnings.append(stale_warning(stale, seeds))


def beside_the_plan(con: duckdb.DuckDBPyConnection, seeds: Path) -> Iterator[str]:
    """A sentence about the properties of accepted events that the plan does not have; the view
    `checked` of the landed messages must exist.
    """
    plan = properties_of(read_seed(seeds, PLAN))
    rows = con.execute(
        "select event_name, list(distinct key order by key) from (select event_name, "
        "unnest(json_keys(properties)) as key from checked where reason is null) group by 1 "
        "order by count(*) desc, 1"
    ).fetchall()
    events: dict[str, list[str]] = {}  # by property
    for event, keys in rows:
        for key in keys:
            if plan and key not in plan.get(event, ()):
                events.setdefault(key, []).append(event)
    if not events:
        return
    groups: dict[str, list[str]] = {}  # properties by the events that have them
    for key, names in events.items():
        groups.setdefault(some(names), []).append(shown(key))
    said = [f"{some(keys)} (with {names})" for names, keys in groups.items()]
    more = " and so on" if said[MOST_LINES:] else ""
    are = counted(len(events), "property is", "properties are")
    yield (
        f"{are} kept, but not in the tracking plan of the event, so no trait can read "
        f"{'it' if len(events) == 1 else 'them'}: {'; '.join(said[:MOST_LINES])}{more}. "
        "`tideline plan infer` proposes lines."
    )


def of_sessions(mapping: LogMapping) -> Iterator[str]:
    """A warning if the person is the column of a session."""
    value = mapping.user_id
    if value and value.kind == "column" and "session" in words(value.value).split("_"):
        yield (
            f"user_id is the column {value.value}, which names a session: each session would be a "
            "person. Map the column of the person"
        )


def accepted_lines(accepted: Accepted, seeds: Path) -> str:
    """A sentence about the lines added to the tracking plan."""
    plan = shown_path(seeds / PLAN)
    if not accepted.events:
        return f"Nothing was added to {plan}."
    lines = counted(len(accepted.rows), "line")
    return f"Added {lines} at the end of {plan}: {', '.join(accepted.events)}."


def unknown_warning(
    unknown: list[Event], mapping: LogMapping, seeds: Path, is_accepting: bool
) -> str:
    """A warning about unknown events, with the fix."""
    rows, plan = sum(event.unknown for event in unknown), shown_path(seeds / PLAN)
    said = [
        f"{counted(rows, 'row is', 'rows are')} of {counted(len(unknown), 'event')} not in the "
        "tracking plan and will be quarantined as `unknown event`."
    ]
    if is_accepting:
        said += why_not_added(unknown, mapping, plan)
    if not is_accepting:
        said.append(
            f"Land again with --accept-plan to add them to {plan}, or give them names of the plan "
            "under `event` in the mapping."
        )
    known = known_events(seeds)
    for event in unknown:
        if near := near_event(event.name or "", known):
            said.append(f"{shown_name(event.name or '')}: did you mean `{near}`?")
    return " ".join(said)


def doubtful_names(added: list[str], known: Collection[str]) -> Iterator[str]:
    """A warning for each event that was added to the plan and is called nearly like a known one."""
    for event in added:
        if near := near_event(event, known):
            yield f"`{event}` was added; did you mean `{near}`?"


def near_event(event: str, known: Collection[str]) -> str | None:
    """The known event that is called nearly like another; None if none is.

    A proposal appends `_logged` to a known name on purpose.
    """
    if event.removesuffix(LOGGED) in known:
        return None
    return next(iter(get_close_matches(event, sorted(known), n=1, cutoff=0.8)), None)


def why_not_added(unknown: list[Event], mapping: LogMapping, plan: str) -> Iterator[str]:
    """The reasons why --accept-plan did not add these events, with the fix."""
    rare = [event for event in unknown if is_event_name(event.name or "")]
    named = [f"{event.name} ({counted(event.rows, 'row')})" for event in rare]
    if rare:
        yield (
            f"Not added, as an event with fewer than {LEAST_ROWS} rows may be a typing error: "
            f"{some(named)}. If it is not, add a line for it at the end of {plan}: "
            f"{some([f'`{event.name},,,,,,What happened`' for event in rare])}."
        )
    others = [event for event in unknown if event.name and event not in rare]
    for event in others[:MOST_LINES]:
        name = event.name or ""
        yield f"{shown_name(name)} is not added: {renamed(name)} under {names_key(event, mapping)}."
    if more := len(others[MOST_LINES:]):
        are = counted(more, "more event is", "more events are")
        yield f"{are} not added, for the same reason."


def names_key(event: Event, mapping: LogMapping) -> str:
    """The key of the mapping that names an event, with the line for it unless it is personal."""
    sent, names = event.sent, mapping.event.names
    is_column = mapping.event.value.kind == "column"
    if not is_column or not sent or sent in names.values() or PERSONAL_NAME.search(sent):
        return "`event` in the mapping"
    name: dict[str, Any] = {sent: snake_case(event.name or "")}
    if not names:
        name = {"event": {"column": mapping.event.value.value, "names": name}}
    line = yaml.safe_dump(name, default_flow_style=True, allow_unicode=True, width=10_000)
    key = "`event.names`" if names else "`event`"
    return f"{key} in {mapping.path}: `{shown(line.strip()[1:-1], 200)}`"


def some(names: list[str]) -> str:
    """The first MOST_LINES names of a list, joined by commas."""
    return ", ".join(names[:MOST_LINES]) + (" and so on" if names[MOST_LINES:] else "")
