"""Measures events, sessions and identity as history grows: `python -m benchmarks.event_curve`.

Each size has a separate warehouse, which takes in

1. the history: one million events per business, as many businesses as millions,
2. one more day of all businesses, about one percent more,
3. one more day of one business, about 10,000 events.

The first load is compared with a floor measured in the same run, the second with the first, and the
third should not grow with history. The floor of the events is that of `benchmarks.whole_graph` on
the same files; the floor of the sessions is one bare window query on the events. Seconds of the
events are from the start of the first model to the end of `fct_events`, those of identity from its
first model to `identity_progress`, as timed by dbt. Memory is the peak of the dbt process.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.whole_graph import DAYS, EVENTS_PER_PERSON_DAY, floor_seconds, run
from tideline import cli
from tideline.text import table

MILLION = 1_000_000
HISTORY, DAY, DAY_OF_ONE = slice(0, DAYS), slice(DAYS, DAYS + 1), slice(DAYS + 1, DAYS + 2)
WINDOW = """
    select count(previous_at)
    from (
        select
            lag(occurred_at) over (
                partition by stream_type, stream_id order by occurred_at, event_id
            ) as previous_at
        from tideline.fct_events
    )
"""
PEOPLE = round(MILLION / DAYS / EVENTS_PER_PERSON_DAY)


class Rows:
    """Daily landed files of businesses of about a million events; generated once, then linked."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where the files are kept."""
        self.folder = folder

    def million(self, seed: int) -> Path:
        """The events folder of one sample business: about a million events and two more days."""
        folder = self.folder / str(seed)
        if not folder.exists():
            words = ["tideline", "sample", "--people", str(PEOPLE), "--seed", str(seed)]
            words += ["--days", str(DAYS + 2), "--landing", str(folder)]
            run(*words, "--truth", str(self.folder / "truth"), env=dict(os.environ))
        return folder / "events"

    def land(self, landing: Path, businesses: int, days: slice) -> None:
        """Link some days of several businesses into a landing folder."""
        target = landing / "events"
        target.mkdir(parents=True, exist_ok=True)
        for seed in range(1, businesses + 1):
            for path in sorted(self.million(seed).glob("*.jsonl"))[days]:
                (target / f"{seed}-{path.name}").hardlink_to(path)


@dataclass(frozen=True)
class Load:
    """The cost of a run: seconds of events, sessions and identity, peak memory of events in GiB."""

    events: float
    sessions: float
    identity: float
    peak: float


def dbt(env: dict[str, str], command: str, *words: str) -> tuple[dict[str, dict], float]:
    """Run dbt; return the results of its models by name, and its peak memory in GiB."""
    words = (command, "--select", *words)
    if command == "build":  # with the seeds
        words += ("--exclude-resource-types", "test", "--exclude-resource-types", "unit_test")
    process = subprocess.Popen(
        [sys.executable, "-m", "dbt.cli.main", *words],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None  # it is a pipe
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"dbt {' '.join(words)} failed:\n{output}")
    results = json.loads((Path(env["DBT_TARGET_PATH"]) / "run_results.json").read_text())["results"]
    models = {
        result["unique_id"].split(".")[-1]: result
        for result in results
        if result["unique_id"].startswith("model.")
    }
    return models, usage.ru_maxrss / 2**20


def span(models: dict[str, dict]) -> float:
    """Seconds from the start of the first of these models to the end of the last."""
    instants = [
        datetime.fromisoformat(step[end])
        for result in models.values()
        for step in result["timing"]
        for end in ("started_at", "completed_at")
    ]
    return (max(instants) - min(instants)).total_seconds()


def load(env: dict[str, str], command: str = "run") -> Load:
    """Run dbt from landing to sessions, then identity."""
    models, peak = dbt(env, command, "+fct_events", "int_sessions", "session_events")
    sessions = [models.pop(name)["execution_time"] for name in ("session_events", "int_sessions")]
    people, _ = dbt(env, command, "+identity_progress", "--exclude", "+fct_events")
    return Load(span(models), sum(sessions), span(people), peak)


def window_seconds(warehouse: Path) -> float:
    """Seconds of one bare window query on the events."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set enable_progress_bar = false")
        start = time.perf_counter()
        connection.execute(WINDOW).fetchall()
        return time.perf_counter() - start


def measure(millions: Sequence[int], folder: Path) -> str:
    """Measure every size in `folder`; return the page to print."""
    rows = Rows(folder / "samples")
    events, sessions, identity = [], [], []
    for size in millions:
        place = folder / f"{size}"
        landing, warehouse = place / "landing", place / "bench.duckdb"
        env = {
            **os.environ,
            "TIDELINE_LANDING": str(landing),
            "TIDELINE_WAREHOUSE": str(warehouse),
            "DBT_TARGET_PATH": str(place / "target"),
            "DBT_LOG_PATH": str(place / "logs"),
        }
        rows.land(landing, size, HISTORY)
        floor = apart(floor_seconds, landing, place)
        first = load(env, "build")
        window = apart(window_seconds, warehouse)
        rows.land(landing, size, DAY)
        percent = load(env)
        rows.land(landing, 1, DAY_OF_ONE)
        fixed = load(env)
        name = f"{size} million"
        events.append(
            (
                *(name, floor, first.events, first.events / floor, first.peak),
                *(percent.events, percent.events / first.events, fixed.events, fixed.peak),
            )
        )
        sessions.append(
            (
                *(name, window, first.sessions, first.sessions / window),
                *(percent.sessions, percent.sessions / first.sessions, fixed.sessions),
            )
        )
        shares = (percent.identity, percent.identity / first.identity, fixed.identity)
        identity.append((name, first.identity, *shares))
        shutil.rmtree(place)
        print(f"{size} million: done", file=sys.stderr)
    more = ["1% more, s", "of the first", "10,000 more, s"]
    head = ["floor, s", "first load, s", "times the floor"]
    return (
        table(["events", *head, "peak, GiB", *more, "peak, GiB"], events)
        + "\n\n"
        + table(["sessions", *head, *more], sessions)
        + "\n\n"
        + table(["identity", "first load, s", *more], identity)
    )


def apart(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function in a new process, because Linux counts a parent's memory as its child's."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main(words: Sequence[str] | None = None) -> int:
    """Print the curve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.event_curve", description=__doc__)
    parser.add_argument("--millions", type=int, nargs="+", default=[1], help="sizes (default: 1)")
    options = parser.parse_args(words)
    if min(options.millions) < 1:
        parser.error("--millions must be at least 1 each")
    with tempfile.TemporaryDirectory(prefix="tideline-bench-") as folder:
        print(measure(options.millions, Path(folder)))
    return 0


if __name__ == "__main__":
    cli.run(main)
