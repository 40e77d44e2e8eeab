"""Checks the lists of people in `seeds/lists.csv`, whose rows dbt would name only by a count."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

import duckdb

from tideline.declarations.macros import render
from tideline.declarations.segments import Declared
from tideline.text import nearest, shown, similar
from tideline.warehouse.duckdb_file import only_row

FILE = "seeds/lists.csv"
COLUMNS = ("list_name", "id_type", "id_value", "listed_from", "listed_until", "note")
TIMES = COLUMNS[3:5]
Row = tuple[int, dict[str, str]]  # line and values by column


def read_lists(project: Path) -> tuple[list[Row], list[str]]:
    """The rows of the file, and what makes it unreadable."""
    path = project / FILE
    if not path.is_file():
        return [], []
    try:
        lines = csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True)
        head, *rows = [(lines.line_num, values) for values in lines if values]
    except (UnicodeDecodeError, ValueError):
        return [], [f"{FILE} is not a CSV file in UTF-8 that begins with {','.join(COLUMNS)}"]
    except csv.Error as error:
        return [], [f"{FILE}:{lines.line_num}: is not valid CSV: {error}"]
    if missing := [name for name in COLUMNS if name not in head[1]]:
        return [], [
            f"{FILE}:1: has no column `{missing[0]}`; the first line is {','.join(COLUMNS)}, with "
            "commas"
        ]
    for number, values in rows:
        if len(values) != len(head[1]):
            return [], [
                f"{FILE}:{number}: has {len(values)} values; the first line has {len(head[1])}"
            ]
    return [(number, dict(zip(head[1], values, strict=True))) for number, values in rows], []


def wrong_lists(project: Path) -> Iterator[str]:
    """The first problem of each row."""
    rows, problems = read_lists(project)
    yield from problems
    if not rows:
        return
    rules = (project / "seeds" / "identifier_rules.csv").read_text(encoding="utf-8-sig")
    types = [row["id_type"] for row in csv.DictReader(rules.splitlines())]
    with duckdb.connect() as con:
        select = f"select {render('try_timestamp', '$1')}"
        time_of = cache(lambda text: only_row(con, select, [text])[0])  # most rows share a few
        for number, row in rows:
            if said := _problem(row, types, time_of):
                yield f"{FILE}:{number}: {said}"


def _problem(
    row: dict[str, str], types: list[str], time_of: Callable[[str], datetime | None]
) -> str | None:
    for name in ("list_name", "id_value"):
        if not row[name].strip():
            return f"`{name}` is empty"
    if row["list_name"] != row["list_name"].strip():  # a trait names it without
        return "`list_name` has a blank at its begin or end; remove it"
    if row["id_type"] not in types:
        return f"`id_type` is `{shown(row['id_type'])}`; {nearest(row['id_type'], types)}"
    times: list[datetime | None] = []
    for name in TIMES:
        text = row[name].strip()
        times.append(time_of(text) if text else None)
        if text and times[-1] is None:
            return f"`{name}` is not a valid time: `{shown(text)}`; write 2026-03-01 12:00"
    start, end = times
    if start is not None and end is not None and end <= start:
        return "`listed_until` is not after `listed_from`"
    return None


def unread_lists(project: Path, traits: Sequence[Declared]) -> Iterator[str]:
    """What a build accepts and nobody wants: lists that no trait reads, traits without a list."""
    rows, _ = read_lists(project)
    lists = dict.fromkeys(row["list_name"] for _, row in rows)
    read = {each.spec.list: each for each in traits if each.spec.list}
    for name in lists:
        if name not in read:
            yield f"no trait reads the list `{shown(name)}` of {FILE}{_similar(name, read)}"
    for name, each in read.items():
        if name not in lists:
            yield f"{each.place}: {FILE} has no row of the list `{name}`{_similar(name, lists)}"


def _similar(name: str, names: Iterable[str]) -> str:
    near = similar(name, names)
    return f"; did you mean `{shown(near)}`?" if near else ""
