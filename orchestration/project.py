"""The dbt project that Dagster runs, and the paths of its deployment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dagster_dbt import DbtCliResource, DbtProject

from tideline.warehouse.paths import PATHS, path_of, target_of

ROOT = Path(__file__).parents[1]
TARGET = os.environ.get("DBT_TARGET") or "duckdb"
# DuckDB allows one writer at a time; `dagster.yaml` limits each pool to one run.
WRITER_POOL = "duckdb_writer" if TARGET == "duckdb" else None

project = DbtProject(ROOT, target_path=target_of())
# The dbt of this Python environment, so that `.venv/bin/dagster` works without activating it.
dbt = DbtCliResource(project, dbt_executable=str(Path(sys.executable).with_name("dbt")))


def environment() -> dict[str, str]:
    """The environment variables with absolute paths, relative to the repository as in dbt."""
    paths = {variable: str(ROOT / path_of(variable)) for variable in PATHS}
    return {**os.environ, **paths}


def prepared_manifest() -> Path:
    """The path of the project's manifest, which is written again if a project file is newer.

    Raises DagsterDbtCliRuntimeError with dbt's message if the project does not parse.
    """
    manifest = project.manifest_path
    if not manifest.exists() or manifest.stat().st_mtime < _last_change():
        dbt.cli(["parse", "--quiet"], target_path=project.target_path).wait()
    return manifest


def _last_change() -> float:
    """The time of the last change of a file that dbt parses, in seconds since 1970."""
    folders = ("models", "python_models", "macros", "seeds", "snapshots", "tests/dbt")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return max(path.stat().st_ctime for path in [*paths, *ROOT.glob("*.yml")])
