"""Publish the tables of the last build for readers: `tideline publish -h`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tideline.progress import Progress
from tideline.text import counted, shown_path
from tideline.usage import parser as parser_of
from tideline.warehouse.connection import open_warehouse
from tideline.warehouse.publication import publish


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = parser_of(
        "publish",
        """
        Copy the public tables of the last build to a file for BI tools and notebooks:
        `published.duckdb`, beside the warehouse. They can read it at any time: a build does not
        disturb them, and they do not disturb a build. On Snowflake, make a schema of views.

        A build that has not finished, or that is as of the past, is not published.
        """,
        {"tideline publish": "publish the warehouse that TIDELINE_WAREHOUSE names"},
        "docs/how-to/read-the-tables.md shows how BI tools connect.",
    )
    parser.add_argument(
        "--allow-older",
        action="store_true",
        help="also publish a build as of the past (var `as_of`)",
    )
    options = parser.parse_args(arguments)
    with open_warehouse(os.environ, read_only=True) as warehouse, Progress("publishing"):
        done = publish(warehouse, options.allow_older)
    place = done.place if isinstance(done.place, str) else shown_path(done.place)
    at = f", as of {done.as_of:%Y-%m-%d %H:%M:%S} UTC" if done.as_of else ""
    print(f"{place}: {counted(done.tables, 'table')}{at}")
    return 0
