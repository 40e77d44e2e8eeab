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
    """Run the command; return its exit code."""
    parser = parser_of(
        "match",
        """
        Find records of one person that share no identifier, by name, address and the like, within
        and across accounts and source systems. The pairs are written to `identity_matches`; the
        next `dbt build` uses them (docs/reference/matching.md).
        """,
        {
            "tideline match": "match all records",
            "tideline match --threshold 0.99": "accept only pairs with at least this probability",
            "tideline match --withdraw": "withdraw all pairs",
            "tideline match --evaluate": "measure precision and recall on made-up people",
        },
    )
    parser.add_argument(
        "--threshold",
        metavar="PROBABILITY",
        type=float,
        default=0.95,
        help="the lowest probability of a pair, above 0.5 and below 1 (default 0.95)",
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
    """Match the records in the warehouse, or withdraw all pairs; return a line for the terminal."""
    warehouse.columns(warehouse.table(TABLE))  # raises if the table is missing
    records = [] if is_withdrawn else read_records(warehouse)
    types = sorted({str(record["id_type"]) for record in records})
    unique = unique_types(warehouse)
    if not is_withdrawn and {*types} <= unique and len(types) < 2:
        return "nothing to match: " + (
            f"all records are of type {types[0]}, and a person has only one of that type"
            if types
            else "there are no attributes of an account or a record of a source system"
        )
    with Progress(f"matching {counted(len(records), 'record')}") as shown:
        pairs = link(records, threshold, unique)
        shown.say(f"writing {counted(len(pairs), 'pair')}")
        change = write_matches(warehouse, pairs)
    read = f"{counted(len(records), 'record')} of {', '.join(types)}: " if types else ""
    return (
        f"{read}{counted(change.new, 'new pair')}, {change.withdrawn:,} withdrawn, "
        f"{change.held:,} in all; the next `dbt build` uses them"
    )
