"""The dbt project as assets: one per model, seed and snapshot; data tests are checks."""

import json
import re
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import PurePosixPath
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)

from orchestration.project import WRITER_POOL, prepared_manifest, project
from orchestration.system_assets import landed_tables
from tideline.declarations.unreachable import live_segments

# Asset groups of the folders outside `models/`.
GROUPS = {"seeds": "declarations", "snapshots": "segments", "python_models": "predictions"}


def team(owner: str) -> str:
    """An owner in dbt as a Dagster owner: `team:customer_care`, or an unchanged email address."""
    return owner if "@" in owner else "team:" + re.sub(r"[^a-z0-9]+", "_", owner.strip().lower())


class Translator(DagsterDbtTranslator):
    """Translates dbt nodes to assets: a group per folder, owners and kinds of each table."""

    def __init__(self) -> None:
        """Link each asset to its source file."""
        super().__init__(DagsterDbtTranslatorSettings(enable_code_references=True))

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The asset of a dbt node; Python models get kinds such as `scikitlearn`."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        if node["name"] == "landed_files":  # it reads files of these tables, unknown to dbt
            spec = spec.replace_attributes(deps=[*spec.deps, *landed_tables])
        if node.get("language") != "python":
            return spec
        library = {"scikitlearn"} if "sklearn" in node["raw_code"] else set()
        return spec.replace_attributes(kinds={"dbt", "python"} | library)

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """The name without the schema; names are unique."""
        if dbt_resource_props["resource_type"] in ("model", "seed", "snapshot"):
            return dg.AssetKey(dbt_resource_props["name"])
        return super().get_asset_key(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The step of the data flow: the folder in `models/`."""
        root, *folders = PurePosixPath(dbt_resource_props["original_file_path"]).parts[:-1]
        return folders[0] if root == "models" and folders else GROUPS.get(root, root)

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The description without the SQL, to which the asset is linked."""
        return dbt_resource_props["description"]

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """The owners of the table; those of the live segments if these are its columns."""
        owners = [owner] if (owner := dbt_resource_props["meta"].get("owner")) else []
        if dbt_resource_props["name"] == "profile_segments":
            owners += [each.spec.owner for each in live_segments()]
        return sorted({*map(team, owners)})


def manifest_for_dagster() -> dict[str, Any]:
    """The manifest, in which each test of several tables is a check of the last of them.

    Dagster reads this from the test's `meta`. The YAML cannot set it, because dbt loses the YAML of
    a singular test when its SQL is edited (partial parsing, dbt-core 1.11).
    """
    manifest = json.loads(prepared_manifest().read_text(encoding="utf-8"))
    order = list(TopologicalSorter(manifest["parent_map"]).static_order())
    for node in manifest["nodes"].values():
        tables = [each for each in node["depends_on"].get("nodes", []) if each in manifest["nodes"]]
        if node["resource_type"] == "test" and not node.get("attached_node") and tables:
            last = max(tables, key=order.index)
            node["config"]["meta"] = {"dagster": {"ref": {"name": last.split(".")[2]}}}
    return manifest


@dbt_assets(
    manifest=manifest_for_dagster(),
    project=project,
    dagster_dbt_translator=Translator(),
    name="dbt_build",
    pool=WRITER_POOL,
)
def dbt_build(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Run `dbt build` on the selection: seeds, models, snapshots and their tests."""
    build = dbt.cli(["build"], context=context)
    try:
        yield from build.stream().fetch_row_counts()
    finally:
        # Counting rows opens the DuckDB file in this process, and dbt-duckdb keeps it open.
        if WRITER_POOL and build.adapter:
            from dbt.adapters.duckdb.connections import DuckDBConnectionManager

            build.adapter.cleanup_connections()
            DuckDBConnectionManager.close_all_connections()
