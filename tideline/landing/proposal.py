"""Proposes a mapping for a log, tries it on the rows, and prints it or writes it to a file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
import yaml

from tideline.landing.compiler import Compiler
from tideline.landing.landed_check import check_landed
from tideline.landing.landed_words import summary, warnings
from tideline.landing.log_files import LandError, Log, connect
from tideline.landing.mapping import MappingError, parse_mapping
from tideline.landing.names import literal
from tideline.landing.plan_accept import PLAN, extended
from tideline.landing.plan_infer import described, infer_unknown
from tideline.landing.propose import propose
from tideline.text import shown_path

ADDS = "--accept-plan adds these events and properties to"
PLACE = "this mapping"  # the name of the proposal in errors


def propose_for(paths: list[Path], output: Path | None, seeds: Path) -> int:
    """Print a mapping for a log, or write it to a new file; returns the exit code."""
    path = paths[0]
    if output and output.exists():
        raise LandError(f"{output}: exists; choose another name")
    with tempfile.TemporaryDirectory() as name, connect(Path(name)) as con:
        folder = Path(name)
        try:
            log, text = propose(con, path, folder, seeds)
            text += tried(con, log, text, folder, seeds)
        except duckdb.Error as error:
            raise LandError(f"{path}: {str(error).splitlines()[0]}") from None
    if len(paths) > 1:
        text = f"# Of {len(paths)} files only {path.name} was looked at.\n{text}"
    if output:
        output.write_text(text, encoding="utf-8")
        print(f"{output}: check it, then land the log with --mapping {output}")
        if ADDS in text:
            print(f"  With --accept-plan too, its new events go into {shown_path(seeds / PLAN)}.")
    else:
        print(text, end="")
    return 0


def tried(con: duckdb.DuckDBPyConnection, log: Log, text: str, folder: Path, seeds: Path) -> str:
    """The result of landing with a proposed mapping, as YAML comments."""
    try:
        mapping = parse_mapping(yaml.safe_load(text), PLACE)
        compiler = Compiler(con, log, mapping, log.path.name)
    except MappingError as error:
        return cannot_land(error)
    part = folder / "messages.parquet"
    try:
        con.execute(f"copy ({compiler.messages()}) to {literal(part)} (compression zstd)")
    except duckdb.Error as error:
        return cannot_land(compiler.blame(error))
    checked = check_landed(con, [part], seeds, mapping.time.timezone)
    title, added = "This mapping lands:", []
    if checked.unknown():
        proposal = infer_unknown(con, [part], seeds)
        title = "With --accept-plan this mapping lands:"
        added = [
            f"{ADDS} {shown_path(seeds / PLAN)}, as lines at its end:",
            *(f"  {line}" for line in described(proposal.rows)),
            *(f"  {note}" for note in proposal.notes),
        ]
        with extended(proposal.rows, seeds) as accepted:
            checked = check_landed(con, [part], accepted, mapping.time.timezone)
    lines = summary(checked, mapping, seeds, title=title).splitlines()
    lines += [f"warning: {each}" for each in warnings(checked)] + added
    return "\n" + "\n".join(f"# {line}".rstrip() for line in lines) + "\n"


def cannot_land(error: Exception) -> str:
    """The reason why a proposed mapping cannot land, as a YAML comment."""
    return f"\n# It cannot land yet: {str(error).removeprefix(f'{PLACE}: ')}\n"
