"""Load source systems: `tideline load --help`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tideline.landing.systems import SYSTEMS
from tideline.landing.systems.load import load
from tideline.landing.systems.system import LoadError
from tideline.usage import parser as parser_of
from tideline.warehouse.paths import path_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the named systems, or all that have credentials; return 1 if one failed."""
    parser = parser_of(
        "load",
        """
        Land what is new in your source systems: each load asks only for what has changed since the
        last one. Credentials come from the environment (docs/reference/source-systems.md). The next
        `dbt build` reads the systems that the var `sources` names.
        """,
        {
            "tideline load": "load every system that has credentials",
            "tideline load stripe zendesk": "load these two",
        },
    )
    parser.add_argument(
        "systems",
        nargs="*",
        metavar="SYSTEM",
        help=f"{', '.join(SYSTEMS)}; without one, all that have credentials",
    )
    parser.add_argument(
        "--landing",
        metavar="FOLDER",
        type=Path,
        default=path_of("TIDELINE_LANDING"),
        help="folder of the landed files (default: TIDELINE_LANDING, else landing)",
    )
    options = parser.parse_args(arguments)
    for name in options.systems:
        if name not in SYSTEMS:
            parser.error(f"there is no system {name!r}; there are {', '.join(SYSTEMS)}")
    chosen = [
        system
        for system in SYSTEMS.values()
        if system.name in options.systems
        or (not options.systems and system.is_configured(os.environ))
    ]
    if not chosen:
        print(
            "error: no system has credentials (docs/reference/source-systems.md)", file=sys.stderr
        )
    failed = not chosen
    for system in chosen:
        try:
            for table, rows in load(system, options.landing, os.environ).items():
                print(f"{rows:>10,} {system.name}.{table}", flush=True)
        except LoadError as error:
            failed = True
            print(f"error: {error}", file=sys.stderr, flush=True)
    return 1 if failed else 0
