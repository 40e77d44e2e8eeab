"""The paths of a deployment, read from environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Variables and their defaults; profiles.yml and the models have the same defaults.
PATHS = {
    "TIDELINE_LANDING": "landing",
    "TIDELINE_WAREHOUSE": "warehouse/warehouse.duckdb",
    "TIDELINE_DELIVERIES": "deliveries",
}


def path_of(variable: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The path in a variable, or its default."""
    return Path(environment.get(variable) or PATHS[variable])


def target_of(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder to which dbt writes its manifest."""
    return Path(environment.get("DBT_TARGET_PATH") or "target")
