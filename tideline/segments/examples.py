"""Runs the examples of segments: by the SQL of a build, in DuckDB in memory, without a warehouse.

Each example is a profile of its own. Examples with one instant share one data clock, so all of them
are a few queries.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from tideline.declarations.compiled import exact_dicts, label_sql, segment_sql
from tideline.declarations.definitions import needed
from tideline.declarations.examples import Example, ExampleEvent
from tideline.declarations.files import line_of, read_declarations
from tideline.declarations.macros import render
from tideline.declarations.operations import kind_of_value
from tideline.declarations.rules import INSTANT, columns_of_rule
from tideline.declarations.segments import PROJECT, Declared, kinds_of
from tideline.declarations.templates import label_parts
from tideline.segments.check import attribute_types
from tideline.segments.models import attributes, model_sql, selects_of
from tideline.segments.reasons import lines_of, reason_in
from tideline.segments.why import value_in
from tideline.text import listed, nearest, shown
from tideline.warehouse.duckdb_file import close_off, open_file

OF_BUILD = ("profile_id", "as_of")  # columns of `profile_attributes` that every example has
FIELDS = ("source", "platform")  # of an event, beside those of its context
WORDS = {
    True: "should be in it, but is not",
    False: "should not be in it, but is",
}
TIMELINE = {
    "profile_id": "varchar",
    "event_id": "varchar",
    "event_name": "varchar",
    "occurred_at": "timestamp",
    "source": "varchar",
    "platform": "varchar",
    "context": "json",
    "properties": "json",
}
STEPS = {
    "profile_id": "varchar",
    "attribute": "varchar",
    "value": "varchar",
    "event_id": "varchar",
    "happened_at": "timestamp",
    "step": "integer",
}
LISTS = {
    "profile_id": "varchar",
    "list_name": "varchar",
    "listed_from": "timestamp",
    "listed_until": "timestamp",
}


@dataclass(frozen=True)
class Case:
    """An example with its segment; `profile_id` is the person's, its number among all."""

    profile_id: str
    project: Path
    segment: Declared
    number: int
    example: Example

    @property
    def place(self) -> str:
        """Where the example is declared."""
        path = self.project / self.segment.file
        segments = read_declarations(path, self.segment.file)[0]["segments"]
        index = [str(each["name"]).strip() for each in segments].index(self.segment.name)
        line = line_of(path, "segments", index, "examples", self.number)
        name = shown(self.example.name)
        return f'Segment "{self.segment.name}", example "{name}" ({self.segment.file}:{line})'

    def columns(self, has_label: bool = True) -> list[str]:
        """The columns that the rule reads, and the label if it is wanted; each once."""
        names = [*columns_of_rule(self.segment.rule.tree)]
        if has_label:
            names += [text for text, is_column in label_parts(self.segment.spec.label) if is_column]
        return list(dict.fromkeys(names))

    @property
    def first_event_at(self) -> datetime:
        """When the first event occurs; the instant itself if there is none."""
        before = max((each.before_instant for each in self.example.events), default=timedelta())
        return self.example.instant - before

    def lists(self) -> Iterator[dict[str, Any]]:
        """The lists as rows of `profile_lists`, since the first event."""
        for name in dict.fromkeys(self.example.lists):
            yield {
                "profile_id": self.profile_id,
                "list_name": name,
                "listed_from": self.first_event_at.isoformat(sep=" "),
            }

    def attribute_steps(self) -> Iterator[dict[str, Any]]:
        """The given attributes as rows of `attribute_steps`, since the first event."""
        for name, value in (self.example.given or {}).items():
            if name in attributes() and value is not None:
                yield {
                    "profile_id": self.profile_id,
                    "attribute": name,
                    "value": value,
                    "happened_at": self.first_event_at.isoformat(sep=" "),
                    "step": 1,
                }

    def timeline(self) -> Iterator[dict[str, Any]]:
        """The events as rows of `profile_timeline`; the order of their ids is that of the list."""
        for number, each in enumerate(self.example.events):
            yield {
                "profile_id": self.profile_id,
                "event_id": f"{self.profile_id}-{number:06}",
                "event_name": each.event,
                "occurred_at": (self.example.instant - each.before_instant).isoformat(sep=" "),
                "source": each.source,
                "platform": each.platform,
                "context": context_of(each),
                "properties": each.properties or {},
            }


def examples_that_fail(
    project: Path,
    segments: Sequence[Declared],
    traits: Sequence[Declared],
    plan: Sequence[dict[str, str]],
) -> list[str]:
    """What is wrong with the examples of the segments; empty if all hold. Those of drafts and of
    retired segments run too.

    Raises DeclarationError for a trait, rule or label that a build would refuse.
    """
    as_live = {"lifecycle": "live", "frozen_at": None}
    segments = [replace(each, spec=replace(each.spec, **as_live)) for each in segments]
    pairs = [
        (segment, number, example)
        for segment in segments
        for number, example in enumerate(segment.spec.examples)
    ]
    cases = [Case(str(n), project, *pair) for n, pair in enumerate(pairs)]
    types = attribute_types(project, traits)
    found: dict[str, str] = {}
    with open_file(":memory:") as con:
        close_off(con, ())
        for case, problem in wrong_events(con, cases, plan):
            found.setdefault(case.profile_id, f"{case.place}: {problem}")
        for case in cases:
            for problem in wrong_values(case, traits, types):
                found.setdefault(case.profile_id, f"{case.place}: {problem}")
        sound = [each for each in cases if each.profile_id not in found]
        by_instant: dict[datetime, list[Case]] = {}
        for case in sound:
            by_instant.setdefault(case.example.instant, []).append(case)
        for instant, group in by_instant.items():
            run = Run(con, instant, group, traits, plan, types)
            found |= {case.profile_id: f"{case.place}: {said}" for case, said in run.failures()}
    return [found[case.profile_id] for case in cases if case.profile_id in found]


def wrong_events(
    con: duckdb.DuckDBPyConnection, cases: Sequence[Case], plan: Sequence[dict[str, str]]
) -> Iterator[tuple[Case, str]]:
    """The events that the tracking plan does not have, or that a build would quarantine."""
    known: dict[str, set[str]] = {}
    for row in plan:
        known.setdefault(row["event_name"], set()).add(row["property"])
    for case in cases:
        for event in case.example.events:
            if event.event not in known:
                yield case, f"no event `{event.event}` in the plan; {nearest(event.event, known)}"
                continue
            of_event = known[event.event] - {""}
            for name, value in (event.properties or {}).items():
                if name not in of_event:
                    fix = nearest(name, of_event) if of_event else "it has none"
                    yield case, f"the plan has no property `{name}` for `{event.event}`; {fix}"
                elif not is_json(value):
                    yield (
                        case,
                        f"`{name}` of `{event.event}` is {value!r}; write a text, a number, "
                        "true or false, or a date in quotes",
                    )
    rows = {case.profile_id: [*case.timeline()] for case in cases if is_json(properties_of(case))}
    fill(con, "sent_events", TIMELINE, [each for rows_of in rows.values() for each in rows_of])
    violation = render("plan_violation", plan, "event_name", "properties")
    broken = con.execute(
        f"select profile_id, violation from (select *, {violation} as violation from sent_events) "
        "where violation is not null order by event_id"
    ).fetchall()
    by_id = {case.profile_id: case for case in cases}
    for profile_id, said in broken:
        yield by_id[profile_id], f"a build would quarantine an event: {said}"


def wrong_values(case: Case, traits: Sequence[Declared], types: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the values of an example that its events do not give."""
    of_events = {each.name for each in traits}
    columns = case.columns()
    given = case.example.given or {}
    for name, value in given.items():
        if name in of_events:
            yield f"`given` has the trait `{name}`, which events or `lists` give; remove it there"
        elif name in OF_BUILD:
            yield f"`given` has `{name}`, which each example has; remove it"
        elif name not in columns:
            yield (
                f"`given` has `{name}`, which neither the rule nor the label reads; "
                f"{nearest(name, [each for each in columns if each not in of_events])}"
            )
        elif name in types and not fits(value, types[name]):
            kind = "whole number" if "int" in types[name] else kinds_of(types)[name]
            yield f"`given` has {value!r} for `{name}`, which is a {kind}"
    read = case.columns(has_label=case.example.label is not None)
    missing = [each for each in read if each not in {*of_events, *OF_BUILD, *given}]
    if missing:
        names = listed([f"`{each}`" for each in missing], "and")
        yield f"no event gives {names}; add it to `given`, null if there is none"
    known = {each.spec.list: None for each in needed(case.segment, traits) if each.spec.list}
    for name in case.example.lists:
        if name not in known:
            fix = nearest(name, known) if known else "remove it there"
            yield f"`lists` has `{name}`, which no trait of the rule or the label reads; {fix}"
    is_seen = any(each.before_instant for each in case.example.events)
    if not is_seen and (needs := [each for each in read if each in of_events]):
        yield (
            f"no event is before the instant, so there is nobody with a `{needs[0]}`; add an "
            "event, such as one that no trait of the rule counts"
        )


class Run:
    """Examples of one instant, as the profiles of a build whose data clock it is."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        instant: datetime,
        cases: Sequence[Case],
        traits: Sequence[Declared],
        plan: Sequence[dict[str, str]],
        types: Mapping[str, str],
    ) -> None:
        """Make the tables that the models of traits read."""
        self._con, self._cases, self._plan, self._types = con, cases, plan, types
        self._segments = list({case.segment.name: case.segment for case in cases}.values())
        names = {each.name for segment in self._segments for each in needed(segment, traits)}
        self._traits = [each for each in traits if each.name in names]
        con.execute("create or replace table data_clock as select ?::timestamp as as_of", [instant])
        timeline = [row for case in cases for row in case.timeline()]
        fill(con, "profile_timeline", TIMELINE, timeline)
        fill(con, "profile_lists", LISTS, [row for case in cases for row in case.lists()])
        fill(con, "attribute_steps", STEPS, [r for case in cases for r in case.attribute_steps()])
        self._made = {"data_clock", "profile_timeline", "profile_lists", "profile_revisions"}
        self._made |= {"attribute_steps"}

    def failures(self) -> Iterator[tuple[Case, str]]:
        """The examples that do not hold, each with what came out."""
        self._make_attributes()
        attributes = self._con.execute("select * from attributes")
        names = [name for name, *_ in attributes.description]
        rows = {row[0]: dict(zip(names, map(value_in, row), strict=True))
                for row in attributes.fetchall()}  # fmt: skip
        judged, intervals = self._judged(), self._intervals()
        for case in self._cases:
            wanted = case.example
            is_in, label = judged[case.profile_id]
            reason = reason_in(case.segment.rule, rows[case.profile_id])
            lines = [*lines_of(reason)]
            if is_in is not wanted.is_in:
                yield case, "\n".join([f"the person {WORDS[wanted.is_in]}", *lines])
            elif intervals.get(case.profile_id, is_in) is not is_in:
                said = "`segment_intervals` and the rule differ, which is an error of Tideline"
                yield case, "\n".join([said, *lines])
            elif wanted.label is not None and wanted.label != label:
                yield case, f"the label should be '{shown(wanted.label)}', but is '{shown(label)}'"

    def _make_attributes(self) -> None:
        """Make `attributes`, the columns of `profile_attributes` that the segments read."""
        of_events = {each.name for each in self._traits}
        columns = dict.fromkeys(name for case in self._cases for name in case.columns())
        given = {
            name: self._types[name]
            for name in columns
            if name in self._types and name not in {*of_events, *OF_BUILD}
        }
        rows = [{"profile_id": c.profile_id, **(c.example.given or {})} for c in self._cases]
        fill(self._con, "given_values", {"profile_id": "varchar", **given}, rows)
        traits = "".join(f", traits.{name}" for name in sorted(of_events))
        self._con.execute(
            f"create or replace table attributes as select given_values.*, as_of{traits} "
            f"from given_values cross join data_clock left join {self._make('profile_traits')} "
            "as traits on given_values.profile_id = traits.profile_id"
        )

    def _judged(self) -> dict[str, tuple[bool, str]]:
        """Whether each person is in the segment by its rule, and the label."""
        kinds = self._con.execute("describe attributes").fetchall()
        types = {name: kind for name, kind, *_ in kinds}
        for name, kind in self._types.items():
            types.setdefault(name, kind)  # it is not read; an error may propose it
        selects = []
        for each in self._segments:
            people = [c.profile_id for c in self._cases if c.segment.name == each.name]
            condition = segment_sql(each.rule, types, "duckdb")
            label = label_sql(each.place, each.spec.label, types, "duckdb")
            ids = ", ".join(f"'{each}'" for each in people)
            selects.append(
                f"select profile_id, coalesce(({condition}), false), {label} from attributes "
                f"where profile_id in ({ids})"
            )
        rows = self._con.execute(" union all ".join(selects)).fetchall()
        return {profile_id: (is_in, label) for profile_id, is_in, label in rows}

    def _intervals(self) -> dict[str, bool]:
        """Whether each person is in the segment by its intervals, if its rule has some. Nobody is
        before the first event.
        """
        rules = exact_dicts(self._segments, self._traits, "duckdb", attributes())["rules"]
        exact = {each["name"] for each in rules if not each["because"]}
        if not exact:
            return {}
        rows = self._con.execute(
            f"select profile_id, segment_name from {self._make('current_intervals')}"
        ).fetchall()
        members = set(rows)
        return {
            case.profile_id: (case.profile_id, case.segment.name) in members
            for case in self._cases
            if case.segment.name in exact and case.first_event_at < case.example.instant
        }

    def _make(self, name: str) -> str:
        """Make the table of a model of `models/segments`, and those that it reads."""
        if name not in self._made:
            self._made.add(name)
            models = PROJECT / "models"
            (path,) = (models / "segments").rglob(f"{name}.sql")
            model = str(path.relative_to(models / "segments").with_suffix(""))
            sql = model_sql(model, self._traits, self._plan, self._make, self._segments)
            selects = " union all ".join(f"({each})" for each in selects_of(sql))
            self._con.execute(f"create or replace table {name} as {selects}")
        return name


def context_of(event: ExampleEvent) -> dict[str, Any]:
    """The context of an event, with the fields that a `where` reads."""
    context: dict[str, Any] = {}
    for name, path in render("context_paths").items():
        *blocks, key = path.split(".")
        inner = context
        for block in blocks:
            inner = inner.setdefault(block, {})
        inner[key] = getattr(event, name)
    return context


def properties_of(case: Case) -> list[dict[str, Any] | None]:
    """The properties of all events of an example."""
    return [each.properties for each in case.example.events]


def is_json(value: Any) -> bool:
    """Whether a value of YAML is one of JSON."""
    if isinstance(value, dict):
        return all(isinstance(name, str) for name in value) and is_json([*value.values()])
    if isinstance(value, list):
        return all(map(is_json, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)


def fits(value: Any, kind: str) -> bool:
    """Whether a value of YAML is one of a column of this type in DuckDB."""
    if value is None:
        return True
    if not isinstance(value, str | int | float) or not is_json(value):
        return False
    if "int" in kind and isinstance(value, int | float):
        return value == int(value) and abs(value) < 2**63 and not isinstance(value, bool)
    wanted = kinds_of({"it": kind})["it"]
    if wanted == "timestamp":
        return isinstance(value, str) and INSTANT.fullmatch(value) is not None
    return kind_of_value(value) == wanted


def fill(
    con: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Make a table of rows, each with some of the columns; the others are null."""
    typed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    con.execute(f"create or replace table {name} ({typed})")
    con.execute(
        f"insert into {name} select unnest(from_json(?, ?), max_depth := 2)",
        [json.dumps(rows), json.dumps([dict(columns)])],
    )
