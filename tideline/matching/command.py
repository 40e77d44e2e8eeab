"""Match records across source systems: `tideline match -h`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tideline.matching.evaluate import evaluation
from tideline.matching.link import link
from tideline.matching.matches import TABLE, write_matches
from tideline.matching.records import read_records, unique_types
from tideline.progress import Progress
from tideline.text import counted
from tideline.usage import parser as parser_of
from tideline.warehouse.connection import Warehouse, open_warehouse
from tideline.warehouse.errors import in_words

PEOPLE = 5000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = parser_of(
        "match",
        """
        Find records of one person that share no identifier, by name, address and the like, across
        accounts and source systems and within one. The pairs are written to `identity_matches`; the
        next `dbt build` joins them (docs/reference/matching.md).
        """,
        {
            "tideline match": "match all records",
            "tideline match --threshold 0.99": "accept only pairs that are this probable",
            "tideline match --withdraw": "take all pairs back",
            "tideline match --evaluate": "measure precision and recall on made-up people",
        },
    )
    parser.add_argument(
        "--threshold",
        metavar="PROBABILITY",
        type=float,
        default=0.95,
        help="the least probability of a pair, above 0.5 and below 1 (default 0.95)",
    )
    parser.add_argument("--withdraw", action="store_true", help="withdraw all pairs instead")
    parser.add_argument(
        "--evaluate",
        action="store_true",
        help=f"only show precision and recall on made-up records of {PEOPLE:,} people",
    )
    options = parser.parse_args(arguments)
    if not 0.5 < options.threshold < 1:
        parser.error("--threshold must be above 0.5 and below 1")
    try:
        if options.evaluate:
            with Progress(f"matching the records of {PEOPLE:,} people"):
                said = evaluation(PEOPLE, options.threshold)
            print(said)
            return 0
        with open_warehouse(os.environ) as warehouse, warehouse.lock():
            print(match(warehouse, options.threshold, options.withdraw))
    except Exception as error:  # its text may quote records
        print(f"error: {in_words(error)}", file=sys.stderr)
        return 1
    return 0


def match(warehouse: Warehouse, threshold: float, is_withdrawn: bool) -> str:
    """Match what the warehouse holds, or withdraw what was matched; says what became of it."""
    warehouse.columns(warehouse.table(TABLE))  # says how to make it if it is missing
    records = [] if is_withdrawn else read_records(warehouse)
    types = sorted({str(record["id_type"]) for record in records})
    unique = unique_types(warehouse)
    if not is_withdrawn and {*types} <= unique and len(types) < 2:
        return "nothing to match: " + (
            f"there are only records of {types[0]}, of which a person has one"
            if types
            else "no account and no source system describes anybody"
        )
    with Progress(f"matching {counted(len(records), 'record')}") as shown:
        pairs = link(records, threshold, unique)
        shown.say(f"writing {counted(len(pairs), 'pair')}")
        change = write_matches(warehouse, pairs)
    read = f"{counted(len(records), 'record')} of {', '.join(types)}: " if types else ""
    return (
        f"{read}{counted(change.new, 'new pair')}, {change.withdrawn:,} withdrawn, "
        f"{change.held:,} in all; the next `dbt build` follows them"
    )
