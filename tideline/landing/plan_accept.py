"""Adds proposed events to the end of the tracking plan; existing lines stay unchanged.

The lines are accepted without review, so they hold only types and require no properties.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tideline.landing.plan_check import COLUMNS, SEEDS, check, properties_of, read
from tideline.landing.plan_infer import InferError, written
from tideline.text import shown

PLAN = "tracking_plan.csv"
# Begins the description of an accepted line, before the landings, until somebody edits it.
MARK = "Accepted from "
MOST_NAMES = 5


@dataclass(frozen=True)
class Accepted:
    """The events added to the plan, and their rows."""

    events: list[str]
    rows: list[dict[str, str]]


def accept(
    rows: list[dict[str, str]], seeds: Path = SEEDS, landings: Sequence[str] = ()
) -> Accepted:
    """Add the rows of events that the plan does not have, and name the landings in each.

    The existing bytes of the plan do not change. Raises InferError and writes nothing if the plan
    has a problem before or after the change.
    """
    problems = check(seeds)
    if problems:
        said = "; ".join(map(str, problems[:3]))
        raise InferError(f"nothing was added to the tracking plan, which has problems: {said}")
    known = properties_of(read(seeds / PLAN, COLUMNS[PLAN])[0])
    mark = f"{MARK}{', '.join(map(shown, landings[:MOST_NAMES]))}: " if landings else ""
    new = [
        row | {"description": mark + row["description"]}
        for row in rows
        if row["event_name"] not in known
    ]
    if not new:
        return Accepted([], [])
    before = (seeds / PLAN).read_bytes()
    text = written(new).split("\n", 1)[1]
    if b"\r\n" in before:
        text = text.replace("\n", "\r\n")
    gap = b"" if before.endswith(b"\n") else b"\r\n" if b"\r\n" in before else b"\n"
    after = before + gap + text.encode()
    wrong = problems_with(after, seeds)
    if wrong:
        raise InferError(f"nothing was added to the tracking plan: {wrong[0]}")
    replace(seeds / PLAN, after)
    return Accepted(list(dict.fromkeys(row["event_name"] for row in new)), new)


def accepted_from(row: dict[str, str]) -> list[str]:
    """The landings from which a line of the plan was accepted."""
    mark, _, _ = row["description"].partition(": ")
    return mark.removeprefix(MARK).split(", ") if mark.startswith(MARK) else []


def problems_with(plan: bytes, seeds: Path) -> list[str]:
    """The problems of the seeds with this plan."""
    with copied(seeds) as folder:
        (folder / PLAN).write_bytes(plan)
        return [str(problem) for problem in check(folder)]


@contextmanager
def extended(rows: list[dict[str, str]], seeds: Path) -> Iterator[Path]:
    """A copy of the seeds with these rows in the plan, if they can be added."""
    with copied(seeds) as folder:
        with suppress(InferError):
            accept(rows, folder)
        yield folder


@contextmanager
def copied(seeds: Path) -> Iterator[Path]:
    """A temporary copy of the plan and its aliases."""
    with tempfile.TemporaryDirectory() as name:
        for file in COLUMNS:
            (Path(name) / file).write_bytes((seeds / file).read_bytes())
        yield Path(name)


def replace(path: Path, content: bytes) -> None:
    """Write a file atomically and keep its permissions; raises InferError on failure."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".plan-", delete=False) as file:
            file.write(content)
        Path(file.name).chmod(path.stat().st_mode & 0o777)
        Path(file.name).replace(path)
    except OSError as error:
        raise InferError(f"{path}: cannot be written: {os.strerror(error.errno or 0)}") from None
