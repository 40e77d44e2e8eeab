"""Where a deployment keeps what it reads and writes, as its environment says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# With the defaults that dbt's part of the project has for them.
PATHS = {
    "TIDELINE_LANDING": "landing",
    "TIDELINE_WAREHOUSE": "warehouse/warehouse.duckdb",
    "TIDELINE_DELIVERIES": "deliveries",
}


def path_of(variable: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The path that a variable names, else its default."""
    return Path(environment.get(variable) or PATHS[variable])


def target_of(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that dbt writes its manifest to."""
    return Path(environment.get("DBT_TARGET_PATH") or "target")
