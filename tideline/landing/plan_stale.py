"""Finds lines of the tracking plan from --accept-plan that a corrected landing no longer fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from tideline.declarations.macros import render
from tideline.landing.landings import landings
from tideline.landing.names import literal
from tideline.landing.plan_accept import PLAN, accepted_from
from tideline.landing.plan_infer import read_seed, types_of
from tideline.text import shown_path


def stale_lines(
    con: duckdb.DuckDBPyConnection, outputs: Sequence[Path], seeds: Path
) -> dict[str, list[int]]:
    """Events accepted from these landings that no landing of the folder has any more, with their
    lines in the plan; without events that have a line of another origin.
    """
    folder, names = outputs[0].parent, {path.stem for path in outputs}
    lines: dict[str, list[int]] = {}
    kept = set()
    for line, row in read_seed(seeds, PLAN):
        lines.setdefault(row["event_name"], []).append(line)
        if not names.intersection(accepted_from(row)):
            kept.add(row["event_name"])
    if lines.keys() <= kept:
        return {}
    paths = [literal(folder / f"{name}.parquet") for name, _, rows in landings(folder) if rows]
    if paths:
        landed = f"select distinct {render('event_key', 'event')} from read_parquet"
        kept |= {event for (event,) in con.execute(f"{landed}([{', '.join(paths)}])").fetchall()}
    return {event: found for event, found in lines.items() if event not in kept}


def looser_lines(
    con: duckdb.DuckDBPyConnection, outputs: Sequence[Path], seeds: Path
) -> dict[int, str]:
    """Lines accepted from these landings alone that say text where all values now have a narrower
    type, with that type. A value that breaks its type is counted as a broken rule instead.
    """
    names = {path.stem for path in outputs}
    texts = {
        line: (row["event_name"], row["property"])
        for line, row in read_seed(seeds, PLAN)
        if row["property_type"] == "text" and names.issuperset(accepted_from(row) or [""])
    }
    events = {event for event, _ in texts.values()}
    types = types_of(con, outputs, seeds, events) if texts else {}
    found = {line: types.get(key) or "text" for line, key in texts.items()}
    return {line: kind for line, kind in found.items() if kind != "text"}


def looser_warning(looser: dict[int, str], seeds: Path) -> str:
    """A warning that names the type to write in each line."""
    said = "; ".join(
        f"line {line} says text, the log has {kind}s: write {kind}" for line, kind in looser.items()
    )
    return (
        f"a corrected mapping gives properties another type than {shown_path(seeds / PLAN)}: {said}"
    )


def stale_warning(stale: dict[str, list[int]], seeds: Path) -> str:
    """A warning that lists the lines of the plan to remove."""
    events = ", ".join(f"{event} ({places(lines)})" for event, lines in stale.items())
    return (
        f"no landing has these events any more, which --accept-plan added to "
        f"{shown_path(seeds / PLAN)}: {events}. Remove their lines unless they will come again"
    )


def places(lines: list[int]) -> str:
    """Line numbers in words: `line 7`, `lines 7-9, 12`."""
    spans: list[list[int]] = []
    for line in lines:
        if spans and line == spans[-1][-1] + 1:
            spans[-1].append(line)
        else:
            spans.append([line])
    said = [f"{span[0]}-{span[-1]}" if span[1:] else str(span[0]) for span in spans]
    return f"line{'s' if lines[1:] else ''} {', '.join(said)}"
