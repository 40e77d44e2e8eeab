"""Checks the tracking plan and proposes rows: `tideline plan check` and `tideline plan infer`.

`check` lists problems in the seeds of the plan and its aliases. `infer` proposes rows of the plan
from landed data. docs/how-to/change-the-tracking-plan.md explains how to work with the plan.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tideline.landing.plan_check import COLUMNS, SEEDS, check, properties_of, read
from tideline.landing.plan_infer import InferError, infer, written
from tideline.text import counted, shown_path
from tideline.usage import parser as parser_of
from tideline.warehouse.paths import path_of


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = parser_of(
        "plan",
        """
        Check the tracking plan, which says what events and properties you accept, or propose rows
        for it from what has landed (docs/reference/tracking-plan.md). Proposed rows are printed
        for you to read and copy; `tideline land --accept-plan` adds looser ones by itself.
        """,
        {
            "tideline plan check": "say what is wrong in the plan and its aliases",
            "tideline plan infer": "show rows for the events that the plan does not know",
            "tideline plan infer --all --write plan.csv": "write rows for all events to a file",
        },
        "`tideline plan infer --help` describes its options.",
    )
    parser.add_argument(
        "--seeds",
        metavar="FOLDER",
        type=Path,
        default=SEEDS,
        help=f"folder of the seeds (default: {shown_path(SEEDS)})",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="say what is wrong in the plan and its aliases")
    proposing = commands.add_parser("infer", help="propose rows of the plan from what has landed")
    proposing.add_argument(
        "--landing",
        metavar="FOLDER",
        type=Path,
        help="read the files of this landing folder instead of the warehouse",
    )
    proposing.add_argument(
        "--all", action="store_true", help="propose also what the plan has already"
    )
    proposing.add_argument(
        "--write", type=Path, metavar="FILE", help="write the rows to a new file"
    )
    options = parser.parse_args(arguments)
    return check_seeds(options.seeds) if options.command == "check" else propose_rows(options)


def check_seeds(folder: Path) -> int:
    """Print the problems of the seeds; returns the exit code."""
    problems = check(folder)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not problems:
        rows = {file: read(folder / file, columns)[0] for file, columns in COLUMNS.items()}
        plan = properties_of(rows["tracking_plan.csv"])
        print(
            f"{counted(len(plan), 'event')}, "
            f"{counted(sum(map(len, plan.values())), 'property', 'properties')}, "
            f"{counted(len(rows['event_aliases.csv']), 'alias', 'aliases')} of events, "
            f"{len(rows['property_aliases.csv'])} of properties: nothing is wrong."
        )
    return int(bool(problems))


def propose_rows(options: argparse.Namespace) -> int:
    """Print or write the proposed rows; returns the exit code."""
    warehouse = path_of("TIDELINE_WAREHOUSE")
    landing = options.landing or path_of("TIDELINE_LANDING")
    try:
        if options.write and options.write.exists():
            raise InferError(f"{options.write}: exists; choose another name")
        proposal = infer(
            None if options.landing else warehouse, landing, options.seeds, options.all
        )
    except InferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for note in proposal.notes:
        print(f"note: {note}", file=sys.stderr)
    text = written(proposal.rows)
    if options.write:
        options.write.write_text(text, encoding="utf-8")
        print(f"{counted(len(proposal.rows), 'row')} from {proposal.origin} -> {options.write}")
    else:
        print(text, end="")
    return 0
