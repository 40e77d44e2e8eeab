"""Checks the tracking plan and the aliases of events and properties in `seeds/`.

Each problem names its file, its line and the fix. These checks cover what the dbt tests of the
seeds cannot detect, or detect only during a build.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tideline.text import counted, nearest, plain

SEEDS = Path(__file__).parents[2] / "seeds"
COLUMNS = {
    "tracking_plan.csv": (
        "event_name",
        "property",
        "property_type",
        "is_required",
        "allowed_values",
        "pattern",
        "description",
    ),
    "event_aliases.csv": ("alias", "event_name", "tracker"),
    "property_aliases.csv": ("source", "event_name", "alias", "property", "priority"),
}
# Whether a text is readable as a type, as in the macros `broken_rules` and `plan_violation`.
READABLE: dict[str, Callable[[str], bool]] = {
    "text": lambda text: True,
    "number": lambda text: bool(
        re.fullmatch(r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)(e[+-]?[0-9]+)?", text, re.I)
    ),
    "integer": lambda text: bool(re.fullmatch(r"[+-]?[0-9]+", text)),
    "boolean": lambda text: text.lower() in ("true", "false"),
    "timestamp": lambda text: bool(re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{10,16}$", text)),
    "object": lambda text: False,
    "array": lambda text: False,
}
UNSAFE = re.compile(r"['\"\\]")


@dataclass(frozen=True)
class Problem:
    """A problem in a seed: its file, its line from 1, and a text with the fix."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """The problem as text, the place first."""
        return f"seeds/{self.file}:{self.line}: {self.text}"


Row = tuple[int, dict[str, str]]


def event_key(name: str) -> str:
    """The form in which event names are compared, equal to the macro of this name."""
    return name.strip(" ").replace(" ", "_").replace("-", "_").lower()


def check(folder: Path = SEEDS) -> list[Problem]:
    """All problems of the three seeds in a folder, in the order of files and lines."""
    problems: list[Problem] = []
    rows: dict[str, list[Row]] = {}
    for file, columns in COLUMNS.items():
        rows[file], wrong = read(folder / file, columns)
        problems += wrong
    plan = properties_of(rows["tracking_plan.csv"])
    problems += check_plan(rows["tracking_plan.csv"])
    problems += check_event_aliases(rows["event_aliases.csv"], plan)
    problems += check_property_aliases(rows["property_aliases.csv"], plan)
    order = list(COLUMNS)
    return sorted(problems, key=lambda problem: (order.index(problem.file), problem.line))


def read(path: Path, columns: tuple[str, ...]) -> tuple[list[Row], list[Problem]]:
    """The readable rows of a seed with their lines, and the problems of the others."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            head = next(reader, [])
            lines = [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError:
        return [], [
            Problem(path.name, 1, f"is not there; it needs the columns {', '.join(columns)}")
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        return [], [Problem(path.name, 1, f"cannot be read as CSV in UTF-8: {error}")]
    if head != list(columns):
        return [], [Problem(path.name, 1, f"the first line must be {','.join(columns)}")]
    rows, problems = [], []
    for line, row in lines:
        if len(row) == len(columns):
            rows.append((line, dict(zip(columns, row, strict=True))))
            problems += [
                Problem(path.name, line, f"`{value}` has spaces around it; remove them")
                for column, value in rows[-1][1].items()
                if value != value.strip() and column not in ("description", "tracker")
            ]
        else:
            text = f"{counted(len(row), 'value')} for {len(columns)} columns; put values with "
            text += "commas in quotes"
            problems.append(Problem(path.name, line, text))
    return rows, problems


def properties_of(rows: list[Row]) -> dict[str, set[str]]:
    """The events of the plan with the properties of each."""
    plan: dict[str, set[str]] = {}
    for _, row in rows:
        plan.setdefault(row["event_name"], set()).update(filter(None, [row["property"]]))
    return plan


def check_plan(rows: list[Row]) -> Iterator[Problem]:
    """Problems in the rows of the tracking plan."""
    seen: dict[tuple[str, str], Row] = {}
    plan = properties_of(rows)
    for line, row in rows:
        event, name = row["event_name"], row["property"]
        wrong = list(wrong_in_property(row) if name else wrong_in_bare_event(row, plan))
        if not re.fullmatch(r"[a-z][a-z0-9_]*", event):
            wrong.append(f"event `{event}` is not in snake_case; write `{snake_case(event)}`")
        first = seen.setdefault((event, name), (line, row))
        if first[0] != line:
            what = f"`{event}.{name}`" if name else f"`{event}`"
            rules = [key for key in COLUMNS["tracking_plan.csv"][2:-1] if first[1][key] != row[key]]
            wrong.append(
                f"{what} contradicts line {first[0]} ({', '.join(rules)}); keep one of them"
                if rules
                else f"{what} stands in line {first[0]} already; remove one of them"
            )
        yield from (Problem("tracking_plan.csv", line, text) for text in wrong)


def snake_case(text: str) -> str:
    """A name in snake_case that begins with a letter; an example if no letter is Latin."""
    name = re.sub(r"[^a-z0-9]+", "_", plain(text).lower()).strip("_") or "object_action"
    return name if name[0].isalpha() else f"event_{name}"


def wrong_in_bare_event(row: dict[str, str], plan: dict[str, set[str]]) -> Iterator[str]:
    """Problems in the row of an event without a property."""
    for column in ("property_type", "is_required", "allowed_values", "pattern"):
        if row[column]:
            yield f"{column} `{row[column]}` without a property; name the property or remove it"
    if plan[row["event_name"]]:
        yield f"`{row['event_name']}` has properties in other lines; remove this line"


def wrong_in_property(row: dict[str, str]) -> Iterator[str]:
    """Problems in the row of a property."""
    name, kind = f"`{row['event_name']}.{row['property']}`", row["property_type"]
    if UNSAFE.search(row["property"]) or not all(row["property"].split(".")):
        yield f"{name} cannot be looked up; a property is keys joined by dots, without quotes"
    if kind not in READABLE:
        yield f"{name} has the unknown type `{kind}`; {nearest(kind, READABLE)}"
    if row["is_required"] not in ("true", "false"):
        yield f"{name}: is_required is `{row['is_required']}`; write true or false"
    allowed = row["allowed_values"].split("|") if row["allowed_values"] else []
    for value in allowed:
        if not value or value != value.strip():
            yield f"{name} allows `{value}`; write the values as a|b without spaces around `|`"
        elif "\\" in value:
            yield f"{name} allows `{value}`, which has a backslash; write a pattern instead"
        elif kind in READABLE and not READABLE[kind](value):
            yield f"{name} allows `{value}`, which is not of type {kind}; correct either"
    for value in sorted({value for value in allowed if allowed.count(value) > 1}):
        yield f"{name} allows `{value}` twice; remove one of them"
    yield from wrong_in_pattern(name, row["pattern"], allowed)


def wrong_in_pattern(name: str, pattern: str, allowed: list[str]) -> Iterator[str]:
    """Problems in the regular expression of a property."""
    if not pattern:
        return
    if UNSAFE.search(pattern):
        yield f"{name}: the pattern {pattern} has quotes or backslashes; write [0-9] and [.]"
        return
    unmatched, error = values_without(pattern, tuple(allowed))
    if error:
        yield f"{name}: the pattern {pattern} is not a regular expression; correct it ({error})"
    for value in unmatched:
        yield f"{name} allows `{value}`, which does not match {pattern}; correct either"


@functools.cache  # a landing checks the plan several times
def values_without(pattern: str, values: tuple[str, ...]) -> tuple[list[str], str | None]:
    """The values that a regular expression does not match, and what is wrong with it, if anything.

    `pattern` has neither quotes nor backslashes.
    """
    try:
        with duckdb.connect() as con:
            unmatched = con.execute(
                "select value from unnest(?::varchar[]) as t(value) "
                f"where not regexp_full_match(value, '{pattern}', 's')",
                [[*values, ""]],
            ).fetchall()
    except duckdb.Error as error:
        return [], str(error).split("\n")[0]
    return [value for (value,) in unmatched if value], None


def check_event_aliases(rows: list[Row], plan: dict[str, set[str]]) -> Iterator[Problem]:
    """Problems in the aliases of events."""
    seen: dict[str, Row] = {}
    for line, row in rows:
        alias, event = row["alias"], row["event_name"]
        key, wrong = event_key(alias), []
        if not key:
            wrong.append("the alias is empty; write the name as the tracker sends it")
        if event not in plan:
            wrong.append(
                f"`{alias}` stands for the unknown event `{event}`; {nearest(event, plan)}"
            )
        if key == event and event in plan:
            wrong.append(f"`{alias}` is that event's own name; remove this line")
        elif key in plan:
            wrong.append(f"`{alias}` shadows the event `{key}` of the plan; remove either")
        first = seen.setdefault(key, (line, row))
        if first[0] != line and key:
            other = f"line {first[0]} (`{first[1]['alias']}`)"
            wrong.append(
                f"`{alias}` is the same name as that of {other}; remove one of them"
                if first[1]["event_name"] == event
                else f"`{alias}` contradicts {other}, which is `{first[1]['event_name']}`; "
                "keep one of them"
            )
        yield from (Problem("event_aliases.csv", line, text) for text in wrong)


def check_property_aliases(rows: list[Row], plan: dict[str, set[str]]) -> Iterator[Problem]:
    """Problems in the aliases of properties."""
    seen: dict[tuple[str, str, str], Row] = {}
    known = set().union(*plan.values()) if plan else set()
    for line, row in rows:
        event, alias, name = row["event_name"], row["alias"], row["property"]
        place, wrong = f"`{event}.{alias}`", []
        if not row["source"]:
            wrong.append(f"{place} has no source; write * for any")
        if not alias or UNSAFE.search(alias):
            wrong.append(f"{place} cannot be looked up; an alias is a key or a path without quotes")
        if not re.fullmatch(r"[1-9][0-9]*", row["priority"]):
            wrong.append(f"{place} has the priority `{row['priority']}`; write 1, 2, ...")
        events = [each for each in plan if name in plan[each]] if event == "*" else [event]
        if event != "*" and event not in plan:
            wrong.append(f"{place} is of the unknown event `{event}`; {nearest(event, plan)}")
        elif event == "*" and name not in known:
            wrong.append(f"{place} stands for `{name}`, of no event; {nearest(name, known)}")
        elif event != "*" and name not in plan[event]:
            wrong.append(
                f"{place} stands for `{name}`, which `{event}` does not have; "
                + nearest(name, plan[event])
            )
        for each in events:
            if alias in plan.get(each, ()):
                wrong.append(f"{place} shadows the property `{each}.{alias}`; remove either")
        first = seen.setdefault((row["source"], event, alias), (line, row))
        if first[0] != line:
            wrong.append(
                f"{place} stands in line {first[0]} already; remove one of them"
                if first[1]["property"] == name
                else f"{place} contradicts line {first[0]}, where it is "
                f"`{first[1]['property']}`; keep one of them"
            )
        yield from (Problem("property_aliases.csv", line, text) for text in wrong)
