"""What the event layer costs as history grows: `python -m orchestration.bench_curve`.

For each size a warehouse of its own takes in so many events, then one percent more, then a small
fixed number: the first is compared with the floor of `orchestration.bench` over the same files, the
second with the first, and the third should not grow with history. Seconds run from the beginning of
the first model to the end of the last, as dbt times them; memory is the peak of the dbt process.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path

from orchestration.bench import DAYS, EVENTS_PER_PERSON_DAY, floor_seconds, run
from orchestration.text import table

MILLION = 1_000_000
ARRIVALS = 10_000  # events of the fixed arrival, on any history
PEOPLE = round(MILLION / DAYS / EVENTS_PER_PERSON_DAY)


class Rows:
    """Landed files of about so many events, made once per million and linked where wanted."""

    def __init__(self, folder: Path) -> None:
        """Keep the files below a folder."""
        self.folder = folder

    def million(self, seed: int) -> Path:
        """The folder of a sample business of its own, about a million events in 91 days."""
        folder = self.folder / str(seed)
        if not folder.exists():
            words = ["orchestration.ingestion.sample", "--people", str(PEOPLE), "--seed", str(seed)]
            words += ["--days", str(DAYS + 1), "--landing", str(folder)]
            run(*words, "--truth", str(self.folder / "truth"), env=dict(os.environ))
        return folder / "events"

    def land(self, landing: Path, events: int, first_seed: int) -> None:
        """Link files of about so many events into a landing folder."""
        target = landing / "events"
        target.mkdir(parents=True, exist_ok=True)
        for number in range(-(-events // MILLION)):
            share = min(1.0, events / MILLION - number)
            files = sorted(self.million(first_seed + number).glob("*.jsonl"))
            for path in files[-max(1, round(len(files) * share)) :]:
                (target / f"{first_seed + number}-{path.name}").hardlink_to(path)


def load(env: dict[str, str], command: str = "run") -> tuple[float, int]:
    """Seconds from the first model's beginning to the last one's end, and peak memory in bytes."""
    words = ["dbt.cli.main", command, "--select", "+fct_events"]
    if command == "build":  # with the seeds
        words += ["--exclude-resource-types", "test", "--exclude-resource-types", "unit_test"]
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{output}")
    results = json.loads((Path(env["DBT_TARGET_PATH"]) / "run_results.json").read_text())
    instants = [
        datetime.fromisoformat(step[end])
        for result in results["results"]
        if result["unique_id"].startswith("model.")
        for step in result["timing"]
        for end in ("started_at", "completed_at")
    ]
    return (max(instants) - min(instants)).total_seconds(), usage.ru_maxrss * 1024


def measure(millions: Sequence[int], folder: Path) -> str:
    """Run every size below `folder`; the page to print."""
    rows = Rows(folder / "samples")
    lines = []
    for size in millions:
        place = folder / f"{size}"
        landing = place / "landing"
        env = {
            **os.environ,
            "TIDELINE_LANDING": str(landing),
            "TIDELINE_WAREHOUSE": str(place / "bench.duckdb"),
            "DBT_TARGET_PATH": str(place / "target"),
            "DBT_LOG_PATH": str(place / "logs"),
        }
        rows.land(landing, size * MILLION, first_seed=1)
        # In a process of its own: Linux counts the memory of a parent as its child's peak.
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
            floor = pool.submit(floor_seconds, landing, place).result()
        first, memory = load(env, "build")
        rows.land(landing, size * MILLION // 100, first_seed=1001)
        percent, _ = load(env)
        rows.land(landing, ARRIVALS, first_seed=2001)
        fixed, fixed_memory = load(env)
        lines.append(
            (
                f"{size} million",
                floor,
                first,
                first / floor,
                memory / 2**30,
                percent,
                percent / first,
                fixed,
                fixed_memory / 2**30,
            )
        )
        shutil.rmtree(place)
        print(f"{size} million: done", file=sys.stderr)
    return table(
        [
            "history",
            "floor, s",
            "first load, s",
            "times the floor",
            "peak, GiB",
            "1% more, s",
            "of the first",
            f"{ARRIVALS:,} more, s",
            "peak, GiB",
        ],
        lines,
    )


def main(words: Sequence[str] | None = None) -> int:
    """Print the curve."""
    parser = argparse.ArgumentParser(
        prog="python -m orchestration.bench_curve", description=__doc__
    )
    parser.add_argument("--millions", type=int, nargs="+", default=[1], help="sizes (default: 1)")
    options = parser.parse_args(words)
    if min(options.millions) < 1:
        parser.error("--millions must be at least 1 each")
    with tempfile.TemporaryDirectory(prefix="tideline-bench-") as folder:
        print(measure(options.millions, Path(folder)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
