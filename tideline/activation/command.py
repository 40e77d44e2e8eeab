"""Run the declared syncs, preview and check them: `tideline activate --help`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from tideline.activation.destinations import DESTINATIONS
from tideline.activation.destinations.page import table_of_destinations
from tideline.activation.engine import SyncResult, run_sync
from tideline.activation.status import status_of
from tideline.activation.verify import Verification, verify_sync
from tideline.declarations.syncs import Sync, read_syncs
from tideline.text import nearest, table
from tideline.usage import Parser
from tideline.usage import parser as parser_of
from tideline.warehouse.connection import Warehouse, open_warehouse
from tideline.warehouse.errors import ActivationError, in_words
from tideline.warehouse.paths import target_of

HEADER = (
    "sync", "status", "adds", "updates", "removes", "resends",
    "accepted", "rejected", "held", "unknown", "to",
)  # fmt: skip
COMMANDS = {
    "run": "send what has changed since the last run, and remove those who have left",
    "plan": "show what a run would send, and its first requests; send and record nothing",
    "status": "show the last run of each sync, and what is rejected or of unknown outcome",
    "replay": "send rows again that were rejected or whose outcome is unknown, after removals",
    "resync": "send every wanted row again, whatever the ledger says",
    "verify": "compare the rows at the destination with the ledger; the next run repairs them",
    "destinations": "print what each destination can do, as a Markdown table",
}
HELD = 3  # the exit code if a person has to decide or to look


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the worst exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "destinations":
        print(table_of_destinations())
        return 0
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        syncs = _chosen(read_syncs(options.manifest, DESTINATIONS), options.syncs)
        with open_warehouse(os.environ, read_only=options.command == "status") as warehouse:
            if options.command == "status":
                print("\n\n".join(status_of(sync, warehouse) for sync in syncs) or NO_SYNC)
                return 0
            if options.command == "verify":
                return _verify(syncs, warehouse)
            return _run(syncs, warehouse, options)
    except ActivationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> Parser:
    parser = parser_of(
        "activate",
        """
        Bring each destination up to date with its segments, and look at what it holds. A sync is
        declared in dbt, as an exposure with `meta.sync` (docs/how-to/add-a-destination.md).

        Each command takes names of syncs; without one, it takes all.
        """,
        {
            "tideline activate run": "run every sync",
            "tideline activate plan segments_to_files": "show what this one would send",
            "tideline activate run --allow-large-change": "send what a guard has held, after a "
            "check",
            "tideline activate resync segments_to_files --new-account": "fill another account",
        },
        "Exit codes: 0 each destination is up to date or not configured; 1 a sync failed, run it "
        "again; 3 a sync is held, a person has to decide, or `verify` has found a difference; 4 a "
        "destination has rejected all rows of a run. With several syncs, the first of 1, 4, 3 that "
        "applies.",
    )
    parser.hint = f"write `tideline activate COMMAND [SYNC...]`; commands: {', '.join(COMMANDS)}"
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=f"{does.capitalize()}.")
        command.hint = parser.hint
        if name == "destinations":
            continue
        command.add_argument(
            "syncs",
            nargs="+" if name == "resync" else "*",
            metavar="SYNC",
            help="name of a sync" + ("" if name == "resync" else " (default: all)"),
        )
        if name in ("run", "replay", "resync"):
            _add_permissions(command)
        if name == "plan":
            command.add_argument(
                "--requests",
                type=_number,
                default=3,
                metavar="N",
                help="how many requests to show of each sync (default: 3)",
            )
        if name == "resync":
            command.add_argument(
                "--new-account",
                action="store_true",
                help="forget the ledger: the sync goes to another account; the old one stays",
            )
        command.add_argument(
            "--manifest",
            type=Path,
            default=target_of() / "manifest.json",
            metavar="PATH",
            help="dbt's manifest (default: manifest.json in DBT_TARGET_PATH, else in target)",
        )
    return parser


def _add_permissions(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--allow-large-change", action="store_true", help="send also what a guard would hold"
    )
    command.add_argument(
        "--allow-older",
        action="store_true",
        help="deliver tables that are older than the last delivered state",
    )


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def _chosen(syncs: list[Sync], names: Sequence[str]) -> list[Sync]:
    known = {sync.name: sync for sync in syncs}
    for name in names:
        if name not in known:
            raise ActivationError(f"there is no sync `{name}`; {nearest(name, known)}")
    return [sync for sync in syncs if not names or sync.name in names]


def _run(syncs: Sequence[Sync], warehouse: Warehouse, options: argparse.Namespace) -> int:
    """Run or preview syncs, as a command says."""
    if options.command == "plan":
        run = partial(run_sync, dry_run=True, requests=options.requests)
    else:
        run = partial(
            run_sync,
            allow_large_change=options.allow_large_change,
            allow_older=options.allow_older,
        )
    if options.command == "replay":
        run = partial(run, scope="rejected")
    if options.command == "resync":
        run = partial(run, scope="everything", new_account=options.new_account)
    results, broken = _of_each(syncs, lambda sync: run(sync, warehouse))
    print(report(results))
    return _worst({result.exit_code for result in results}, broken)


def _verify(syncs: Sequence[Sync], warehouse: Warehouse) -> int:
    """Compare what the destinations hold with the ledger."""
    results, broken = _of_each(syncs, lambda sync: verify_sync(sync, warehouse))
    lines = [(each.sync_name, each.status, *each.rows.values()) for each in results]
    print(table(("sync", "status", "compared", *Verification.MATCHES), lines) if lines else NO_SYNC)
    for each in results:
        if each.message:
            print(f"  {each.sync_name}: {each.message}")
    return _worst({each.exit_code for each in results}, broken)


Result = TypeVar("Result")


def _of_each(syncs: Sequence[Sync], what: Callable[[Sync], Result]) -> tuple[list[Result], bool]:
    """The results of syncs, and whether one has broken off; it does not stop the others."""
    results, broken = [], False
    for sync in syncs:
        try:
            results.append(what(sync))
        except Exception as error:
            broken = True
            print(f"sync `{sync.name}` failed: {in_words(error)}", file=sys.stderr)
    return results, broken


def _worst(codes: set[int], broken: bool) -> int:
    found = codes | ({1} if broken else set())
    return next((code for code in (1, 4, HELD) if code in found), 0)


NO_SYNC = "no sync is declared: add an exposure with `meta.sync`"


def report(results: Sequence[SyncResult]) -> str:
    """The results as a table of text, one line per sync, followed by messages and previews."""
    if not results:
        return NO_SYNC
    lines = []
    for result in results:
        run = result.run
        status = f"{run.status} (plan)" if result.preview else run.status
        numbers = (*run.ops.values(), run.accepted, run.rejected, run.held, run.unknown)
        lines.append((run.sync_name, status, *numbers, run.destination))
    notes = [f"  {r.run.sync_name}: {r.run.message}" for r in results if r.run.message]
    shown = [
        f"\n{result.run.sync_name}\n{text}"
        for result in results
        if result.preview and (text := result.preview.text())
    ]
    return "\n".join([table(HEADER, lines), *([""] if notes else []), *notes, *shown])
