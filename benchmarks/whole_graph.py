"""Measures each stage against a floor: `python -m benchmarks.whole_graph --events N`.

The floor is one DuckDB statement that only reads, types, deduplicates and sorts the same landed
events. dbt times the stages; a stage is a folder of models, and its rows are those of its tables.
The second run lands one more day, to show the cost of an ordinary day.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import duckdb

from tideline import cli
from tideline.text import table

EVENTS_PER_PERSON_DAY = 1.33  # measured on the sample business
DAYS = 90
FLOOR = """
    create or replace table floor as
    select distinct on (messageId) *
    from read_json(
        $1, format = 'newline_delimited', ignore_errors = true,
        columns = {
            type: 'varchar', event: 'varchar', messageId: 'varchar', anonymousId: 'varchar',
            userId: 'varchar', "timestamp": 'timestamp', originalTimestamp: 'timestamp',
            sentAt: 'timestamp', receivedAt: 'timestamp', context: 'json', properties: 'json',
            traits: 'json'
        }
    )
    order by receivedAt
"""


def run(*words: str, env: dict[str, str]) -> float:
    """Run a Python module and return its seconds; its output is shown only if it fails."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *words], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def floor_seconds(landing: Path, folder: Path) -> float:
    """Seconds of the floor over the landed files, into a fresh database file."""
    with duckdb.connect(str(folder / "floor.duckdb")) as connection:
        connection.execute("set enable_progress_bar = false")
        start = time.perf_counter()
        connection.execute(FLOOR, [f"{landing}/events/*.jsonl"]).fetchall()
        return time.perf_counter() - start


def stages_of(target: Path) -> dict[str, tuple[float, list[str]]]:
    """Seconds and tables per folder of models in dbt's last run; tests and seeds by kind."""
    results = json.loads((target / "run_results.json").read_text())["results"]
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    stages: dict[str, tuple[float, list[str]]] = defaultdict(lambda: (0.0, []))
    for result in results:
        node = nodes.get(result["unique_id"])
        kind = result["unique_id"].split(".")[0]
        if kind in ("operation", "exposure"):  # they take no time
            continue
        is_model = kind == "model" and len(node["fqn"]) > 2
        stage = node["fqn"][1] if is_model else {"model": "python models"}.get(kind, f"{kind}s")
        seconds, tables = stages[stage]
        is_table = (
            kind in ("model", "seed", "snapshot") and node["config"]["materialized"] != "view"
        )
        stages[stage] = (
            seconds + result["execution_time"],
            [*tables, *([node["name"]] if is_table else [])],
        )
    return stages


def rows_in(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> int:
    """The total number of rows of several tables."""
    connection.execute("set search_path = 'tideline,tideline_internal'")
    counts = (connection.execute(f'select count(*) from "{name}"').fetchall() for name in tables)
    return sum(count[0][0] for count in counts)


def measure(events: int, folder: Path) -> str:
    """Run the whole graph in `folder` on about `events` events; return the page to print."""
    landing, warehouse, target = folder / "landing", folder / "bench.duckdb", folder / "target"
    env = {
        **os.environ,
        "TIDELINE_LANDING": str(landing),
        "TIDELINE_WAREHOUSE": str(warehouse),
        "TIDELINE_DELIVERIES": str(folder / "deliveries"),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    people = max(50, round(events / DAYS / EVENTS_PER_PERSON_DAY))
    sample = ["tideline", "sample", "--people", str(people), "--days", str(DAYS + 1)]
    sample += ["--landing", str(landing), "--truth", str(folder / "truth")]
    manifest = ["--manifest", str(target / "manifest.json")]

    pages = []
    for title, slice_of_days in (
        ("First load", ["--to-day", str(DAYS)]),
        ("One more day", ["--from-day", str(DAYS)]),
    ):
        made = run(*sample, *slice_of_days, env=env)
        if title == "First load":
            floor = floor_seconds(landing, folder)
        built = run("dbt.cli.main", "build", env=env)
        sent = run("tideline", "activate", "run", *manifest, env=env)
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            rows = connection.execute(
                "select count(*) from tideline_internal.raw_messages "
                "where landed_at = (select max(landed_at) from tideline_internal.raw_messages)"
            ).fetchall()[0][0]
            stages = [("sample", rows, made)]
            for stage, (seconds, tables) in stages_of(target).items():
                stages.append((stage, rows_in(connection, tables) if tables else None, seconds))
            stages.append(("all of dbt", rows, built))
            stages.append(("delivery", rows_in(connection, ["activation_audiences"]), sent))
        pages += [
            f"{title}: {rows:,} rows landed; floor of the first load {floor:.2f} s",
            table(
                ["stage", "rows", "seconds", "rows per second", "times the floor"],
                [
                    (stage, count, t, count and round(count / max(t, 1e-3)), t / floor)
                    for stage, count, t in stages
                ],
            ),
            "",
        ]
    return "\n".join(pages)


def main(words: Sequence[str] | None = None) -> int:
    """Print the measurements."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whole_graph", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="about how many (1,000,000)")
    options = parser.parse_args(words)
    if options.events < 1:
        parser.error("--events must be at least 1")
    with tempfile.TemporaryDirectory(prefix="tideline-bench-") as folder:
        print(measure(options.events, Path(folder)))
    return 0


if __name__ == "__main__":
    cli.run(main)
