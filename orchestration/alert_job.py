"""The job that looks for syncs without a success, for when no run of a sync is there to tell."""

import dagster as dg

from orchestration.project import WRITER_POOL, environment, prepared_manifest
from tideline.activation.alerts import alert
from tideline.activation.destinations import DESTINATIONS
from tideline.declarations.syncs import read_syncs
from tideline.warehouse.connection import open_warehouse


@dg.op(pool=WRITER_POOL, description="Posts an alert for each sync that has become stale.")
def find_stale_syncs() -> None:
    """Alert of each sync with `alert_stale_hours` that has not succeeded for longer."""
    variables = environment()
    syncs = [
        each
        for each in read_syncs(prepared_manifest(), DESTINATIONS)
        if each.settings.alert_stale_hours is not None
    ]
    if not syncs:
        return
    with open_warehouse(variables) as warehouse, warehouse.lock():
        for sync in syncs:
            alert(sync, warehouse, variables)


@dg.job(description="Posts an alert for each sync without a success for `alert_stale_hours`.")
def stale_syncs() -> None:
    """One step."""
    find_stale_syncs()


stale_syncs_hourly = dg.ScheduleDefinition(
    name="stale_syncs_hourly",
    job=stale_syncs,
    cron_schedule="30 * * * *",
    execution_timezone="UTC",
    description="Looks for stale syncs, each hour at half past.",
)
