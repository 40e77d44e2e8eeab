"""What a deployment leaves beside its tables: logs, results of runs, temporary files.

A log may quote anything that somebody typed, which no search for their identifiers finds, so all of
it goes. None of it is needed again: the next run writes its own.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tideline.warehouse.paths import path_of, target_of

SCRATCH = "tideline-raw-*"  # of `raw_messages`, in the folder for temporary files
LANDING_SCRATCH = ".land-*"  # of `land`, in the landing folder
REST_HOURS = 1  # who has no lock writes all the time; a folder at rest for so long is of the killed
# What a dbt command writes into its target folder, beside what the project was parsed to.
RESULTS = ("run_results.json", "sources.json", "compiled", "run", "dbt.log")


def traces(root: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Files and folders to remove while nobody has the warehouse open; relative to `root`."""
    yield from (root / (environment.get("DBT_LOG_PATH") or "logs")).glob("dbt.log*")
    target = root / target_of(environment)
    for folder in (target, *target.glob("dbt_build-*/")):  # Dagster gives each run one of its own
        yield from (folder / name for name in RESULTS)
    for dagster in {root / ".dagster", root / (environment.get("DAGSTER_HOME") or ".dagster")}:
        yield from dagster.rglob("compute_logs/*")
    warehouse = root / path_of("TIDELINE_WAREHOUSE", environment)
    yield from warehouse.with_name(f"{warehouse.name}.tmp").glob("duckdb_temp_*")
    yield from filter(is_abandoned, Path(tempfile.gettempdir()).glob(SCRATCH))
    landing = root / path_of("TIDELINE_LANDING", environment)
    yield from filter(is_at_rest, landing.glob(LANDING_SCRATCH))


def is_abandoned(folder: Path) -> bool:
    """Whether the build that made a scratch folder has ended: it holds a lock while it lives."""
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return is_at_rest(folder)
    except OSError:  # held, or of another user
        return False
    return True


def is_at_rest(folder: Path) -> bool:
    """Whether nothing in a folder was written for some time."""
    with suppress(OSError):
        newest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
        return time.time() - newest > REST_HOURS * 3600
    return False


def remove_traces(root: Path, environment: Mapping[str, str]) -> None:
    """Remove all of them. Raises OSError if one cannot be removed."""
    for path in traces(root, environment):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            with suppress(FileNotFoundError):
                path.unlink()
