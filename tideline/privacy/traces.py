"""Removes the files that a deployment leaves besides its tables: logs, results, temporary files.

A log may quote personal data in any form, and no search finds all of it, so the files are deleted
as a whole. None is needed again.
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
from tideline.warehouse.publication import log_of, parts_of, published_path

SCRATCH = "tideline-raw-*"  # of `raw_messages`, in the folder for temporary files
LANDING_SCRATCH = ".land-*"  # of `land`, in the landing folder
REST_HOURS = 1  # a scratch folder without a lock and without changes for so long is abandoned
# The output of dbt commands in their target folder, without the parsed project.
RESULTS = ("run_results.json", "sources.json", "compiled", "run", "dbt.log")


def traces(root: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Files and folders to remove while nobody has the warehouse open; relative to `root`."""
    yield from (root / (environment.get("DBT_LOG_PATH") or "logs")).glob("dbt.log*")
    target = root / target_of(environment)
    for folder in (target, *target.glob("dbt_build-*/")):  # each run of Dagster has its own
        yield from (folder / name for name in RESULTS)
    for dagster in {root / ".dagster", root / (environment.get("DAGSTER_HOME") or ".dagster")}:
        yield from dagster.rglob("compute_logs/*")
    warehouse = root / path_of("TIDELINE_WAREHOUSE", environment)
    yield from warehouse.with_name(f"{warehouse.name}.tmp").glob("duckdb_temp_*")
    published = published_path(warehouse)
    yield log_of(published)
    for part in parts_of(published):  # of a publication that was killed
        yield from (part, log_of(part))
    yield from filter(is_abandoned, Path(tempfile.gettempdir()).glob(SCRATCH))
    landing = root / path_of("TIDELINE_LANDING", environment)
    yield from filter(is_at_rest, landing.glob(LANDING_SCRATCH))


def is_abandoned(folder: Path) -> bool:
    """Whether the build that created a scratch folder has ended; until then it holds a lock."""
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return is_at_rest(folder)
    except OSError:  # locked, or owned by another user
        return False
    return True


def is_at_rest(folder: Path) -> bool:
    """Whether nothing in a folder was written in the last hour."""
    with suppress(OSError):
        newest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
        return time.time() - newest > REST_HOURS * 3600
    return False


def remove_traces(root: Path, environment: Mapping[str, str]) -> None:
    """Remove all traces. Raises OSError if one cannot be removed."""
    for path in traces(root, environment):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            with suppress(FileNotFoundError):
                path.unlink()
