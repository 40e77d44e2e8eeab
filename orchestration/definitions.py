"""Everything that Dagster loads; `dagster dev` finds this module through pyproject.toml."""

import dagster as dg

from orchestration.alert_job import stale_syncs, stale_syncs_hourly
from orchestration.landing_assets import event_files
from orchestration.project import dbt, prepared_manifest
from orchestration.publication_asset import publication_asset
from orchestration.schedules import (
    daily,
    source_systems,
    source_systems_daily,
    whole_graph,
)
from orchestration.sensors import new_files
from orchestration.sync_assets import sync_assets
from orchestration.system_assets import load_assets
from orchestration.transform import dbt_build

defs = dg.Definitions(
    assets=[
        event_files,
        *load_assets,
        dbt_build,
        *sync_assets(prepared_manifest()),
        publication_asset(prepared_manifest()),
    ],
    jobs=[source_systems, whole_graph, stale_syncs],
    schedules=[source_systems_daily, daily, stale_syncs_hourly],
    sensors=[new_files],
    resources={"dbt": dbt},
    # The steps take turns at one warehouse, so a process per step would only cost time.
    executor=dg.in_process_executor,
)
