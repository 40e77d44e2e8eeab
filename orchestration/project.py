"""The dbt project that Dagster runs, and where its deployment lives."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dagster_dbt import DbtCliResource, DbtProject

from tideline.warehouse.paths import PATHS, path_of, target_of

ROOT = Path(__file__).parents[1]
TARGET = os.environ.get("DBT_TARGET") or "duckdb"
# A DuckDB file takes one writer at a time; `dagster.yaml` limits each pool to one.
WRITER_POOL = "duckdb_writer" if TARGET == "duckdb" else None

project = DbtProject(ROOT, target_path=target_of())
# The dbt beside this Python, so that `.venv/bin/dagster` needs no activated environment.
dbt = DbtCliResource(project, dbt_executable=str(Path(sys.executable).with_name("dbt")))


def environment() -> dict[str, str]:
    """The environment with absolute paths: relative ones start at the repository, as in dbt."""
    paths = {variable: str(ROOT / path_of(variable)) for variable in PATHS}
    return {**os.environ, **paths}


def prepared_manifest() -> Path:
    """The manifest of the project, written anew where a file of the project is newer.

    Raises DagsterDbtCliRuntimeError with dbt's own words if the project does not parse.
    """
    manifest = project.manifest_path
    if not manifest.exists() or manifest.stat().st_mtime < _last_change():
        dbt.cli(["parse", "--quiet"], target_path=project.target_path).wait()
    return manifest


def _last_change() -> float:
    """When a file that dbt parses was last written or moved here, in seconds since 1970."""
    folders = ("models", "python_models", "macros", "seeds", "snapshots", "tests/dbt")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return max(path.stat().st_ctime for path in [*paths, *ROOT.glob("*.yml")])
