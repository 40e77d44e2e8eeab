"""Run the declared syncs: `tideline activate --help`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tideline.activation.destinations import DESTINATIONS
from tideline.activation.destinations.page import table_of_destinations
from tideline.activation.engine import SyncResult, run_sync
from tideline.declarations.syncs import Sync, read_syncs
from tideline.text import nearest, table
from tideline.usage import parser as parser_of
from tideline.warehouse.connection import open_warehouse
from tideline.warehouse.errors import ActivationError, in_words
from tideline.warehouse.paths import target_of

HEADER = (
    "sync", "status", "adds", "updates", "removes", "resends",
    "accepted", "rejected", "held", "unknown", "to",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named syncs, or all; return the worst exit code."""
    parser = parser_of(
        "activate",
        """
        Bring each destination up to date: send what has changed in its segments since the last run,
        and remove those who have left. A sync is declared in dbt, as an exposure with `meta.sync`
        (docs/how-to/add-a-destination.md).
        """,
        {
            "tideline activate": "run every sync",
            "tideline activate --sync segments_to_files --dry-run": "show what this one would send",
            "tideline activate --allow-large-change": "send what a guard has held, after a check",
        },
        "Exit codes: 0 each destination is up to date or not configured; 1 a sync failed, run it "
        "again; 3 a sync is held, a person has to decide; 4 a destination has rejected all rows "
        "of a run. With several syncs, the first of 1, 4, 3 that applies.",
    )
    parser.add_argument(
        "--sync", action="append", metavar="NAME", help="only this sync; repeatable"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be sent, send nothing"
    )
    parser.add_argument(
        "--allow-large-change", action="store_true", help="send also what a guard would hold"
    )
    parser.add_argument(
        "--allow-older",
        action="store_true",
        help="deliver tables that are older than the last delivered state",
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        default=target_of() / "manifest.json",
        metavar="PATH",
        help="dbt's manifest (default: manifest.json in DBT_TARGET_PATH, else in target)",
    )
    parser.add_argument(
        "--destinations",
        action="store_true",
        help="print what each destination can do, as a Markdown table",
    )
    options = parser.parse_args(arguments)
    if options.destinations:
        print(table_of_destinations())
        return 0
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    results: list[SyncResult] = []
    broken = False
    try:
        syncs = _chosen(read_syncs(options.manifest, DESTINATIONS), options.sync)
        with open_warehouse(os.environ) as warehouse:
            for sync in syncs:
                try:
                    results.append(
                        run_sync(
                            sync,
                            warehouse,
                            allow_large_change=options.allow_large_change,
                            allow_older=options.allow_older,
                            dry_run=options.dry_run,
                        )
                    )
                except Exception as error:  # one sync must not stop the others
                    broken = True
                    print(f"sync `{sync.name}` failed: {in_words(error)}", file=sys.stderr)
    except ActivationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(report(results))
    codes = {result.exit_code for result in results} | ({1} if broken else set())
    return next((code for code in (1, 4, 3) if code in codes), 0)


def _chosen(syncs: list[Sync], names: Sequence[str] | None) -> list[Sync]:
    known = {sync.name: sync for sync in syncs}
    for name in names or ():
        if name not in known:
            raise ActivationError(f"there is no sync `{name}`; {nearest(name, known)}")
    return [sync for sync in syncs if not names or sync.name in names]


def report(results: Sequence[SyncResult]) -> str:
    """The results as a table of text, one line per sync, followed by the messages."""
    if not results:
        return "no sync is declared: add an exposure with `meta.sync`"
    lines = []
    for result in results:
        run = result.run
        status = f"{run.status} (dry run)" if result.dry_run else run.status
        numbers = (*run.ops.values(), run.accepted, run.rejected, run.held, run.unknown)
        lines.append((run.sync_name, status, *numbers, run.destination))
    notes = [f"  {r.run.sync_name}: {r.run.message}" for r in results if r.run.message]
    return "\n".join([table(HEADER, lines), *([""] if notes else []), *notes])
