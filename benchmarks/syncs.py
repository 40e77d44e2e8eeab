"""Measures the syncs of many rows to files: `python -m benchmarks.syncs`.

Members of ten segments are synced to files, looked at again without a change, planned and synced
with one percent of them changed. A run is timed in this process, without its start; a dry run is
the plan alone. The floor is DuckDB's own export of the same rows as JSON lines, in the same run.
Seconds are the fastest of several repeats, but those of the first load. Memory is the peak of the
process up to that line.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

from tideline import cli
from tideline.activation.destinations import DESTINATIONS
from tideline.activation.engine import run_sync
from tideline.declarations.syncs import read_syncs
from tideline.text import table
from tideline.warehouse.connection import DuckDBWarehouse

MODEL = "model.bench.members"
SYNC = {
    "destination": "files",
    "key": ["profile_id", "segment_name"],
    "group_by": "segment_name",
    "max_growth_share": 10,
}
MANIFEST = {
    "nodes": {MODEL: {"schema": "tideline", "name": "members", "alias": None}},
    "exposures": {
        "exposure.bench.members_to_files": {
            "name": "members_to_files",
            "depends_on": {"nodes": [MODEL]},
            "config": {"meta": {"sync": SYNC}},
        }
    },
}
# As wide as `activation_audiences`. A changed member has another label.
MEMBERS = """
    create schema if not exists tideline;
    create or replace table tideline.members as
    select
        md5('' || range) as profile_id,
        'segment_' || range % 10 as segment_name,
        case when range < $changed then 'Label ' || $version else 'Label' end as segment_label,
        'u' || range as user_id,
        range || '@example.com' as email,
        cast(md5(range || 'device') as uuid)::varchar as anonymous_id,
        'A persona' as persona_name,
        'A creative' as creative,
        timestamp '2026-01-01' as as_of
    from range($rows)
"""


class Bench:
    """A warehouse with members and their sync."""

    def __init__(self, folder: Path, rows: int) -> None:
        """Write both to a folder."""
        self.folder, self.rows, self.version = folder, rows, 0
        self.warehouse = folder / "warehouse.duckdb"
        manifest = folder / "manifest.json"
        manifest.write_text(json.dumps(MANIFEST))
        (self.declared,) = read_syncs(manifest, DESTINATIONS)
        self.change(0)

    def change(self, rows: int) -> None:
        """Write the members, so many of them changed."""
        self.version += 1
        with duckdb.connect(str(self.warehouse)) as connection:
            named = {"rows": self.rows, "changed": rows, "version": self.version}
            for statement in MEMBERS.split(";"):
                used = {key: value for key, value in named.items() if f"${key}" in statement}
                connection.execute(statement, used)

    def floor(self) -> int:
        """Export the members with DuckDB alone."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            goal = str(self.folder / "floor.jsonl").replace("'", "''")
            connection.execute(f"copy tideline.members to '{goal}' (format json)")
        return self.rows

    def run(self, dry_run: bool = False) -> int:
        """One run; returns the planned operations."""
        environment = {"TIDELINE_DELIVERIES": str(self.folder / "deliveries")}
        with DuckDBWarehouse(self.warehouse) as warehouse:
            result = run_sync(self.declared, warehouse, environment=environment, dry_run=dry_run)
        if result.run.status != "succeeded":
            raise SystemExit(f"The sync has {result.run.status}: {result.run.message}")
        return result.run.planned


def measure(rows: int, repeats: int, folder: Path) -> str:
    """Measure all runs in `folder`; return the page to print."""
    bench = Bench(folder, rows)
    lines: list[tuple[str, int, float, int, float, int]] = []

    def timed(what: str, call: Callable[[], int], before: Callable[[], None], times: int) -> None:
        seconds: list[float] = []
        operations = 0
        for _ in range(times):
            before()
            start = time.perf_counter()
            operations = call()
            seconds.append(time.perf_counter() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        fastest = min(seconds)
        of_floor = fastest / (lines[0][2] if lines else fastest)
        rate = round(operations / fastest)
        lines.append((what, operations, fastest, rate, of_floor, round(peak)))

    def nothing() -> None:
        """No change."""

    def one_percent() -> None:
        bench.change(max(1, rows // 100))

    timed("floor", bench.floor, nothing, repeats)
    timed("first load", bench.run, nothing, 1)
    timed("no change", bench.run, nothing, repeats)
    one_percent()
    timed("plan of 1%", lambda: bench.run(dry_run=True), nothing, repeats)
    timed("run of 1%", bench.run, one_percent, repeats)
    return table(["run", "operations", "seconds", "per second", "of the floor", "peak, MB"], lines)


def main(words: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.syncs", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="members (1,000,000)")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest one counts (3)")
    options = parser.parse_args(words)
    if options.rows < 10 or options.repeats < 1:
        parser.error("--rows must be at least 10, --repeats at least 1")
    with tempfile.TemporaryDirectory(prefix="tideline-bench-") as folder:
        print(measure(options.rows, options.repeats, Path(folder)))
    return 0


if __name__ == "__main__":
    cli.run(main)
