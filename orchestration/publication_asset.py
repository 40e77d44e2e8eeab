"""The publication as an asset: the tables of a finished build, for BI tools and notebooks."""

import json
from pathlib import Path

import dagster as dg

from orchestration.project import WRITER_POOL, environment
from tideline.warehouse.connection import open_warehouse
from tideline.warehouse.errors import WarehouseError
from tideline.warehouse.publication import publish


def publication_asset(manifest: Path) -> dg.AssetsDefinition:
    """The asset `published_tables`, downstream of each public table of dbt."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    public = [
        node["name"]
        for node in nodes
        if node["config"].get("access") == "public" or node["resource_type"] == "snapshot"
    ]

    @dg.asset(
        deps=public,
        group_name="publication",
        kinds={"duckdb"},
        pool=WRITER_POOL,
        automation_condition=dg.AutomationCondition.eager(),
    )
    def published_tables() -> dg.MaterializeResult:
        """The public tables of the last build, where BI tools and notebooks read them."""
        try:
            with open_warehouse(environment(), read_only=True) as warehouse:
                done = publish(warehouse)
        except WarehouseError as error:  # the last build has not finished, or is as of the past
            raise dg.Failure(str(error)) from None
        return dg.MaterializeResult(
            metadata={"to": str(done.place), "tables": done.tables, "as of": str(done.as_of)}
        )

    return published_tables
