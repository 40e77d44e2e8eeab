"""The jobs and their schedules. A schedule is off until a user turns it on in the UI."""

import dagster as dg

from orchestration.system_assets import configured_tables, landed_tables

whole_graph = dg.define_asset_job(
    "whole_graph",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*landed_tables),
    description="From the landed files to the destinations, incrementally.",
)

daily = dg.ScheduleDefinition(
    name="whole_graph_daily",
    job=whole_graph,
    cron_schedule="0 4 * * *",
    execution_timezone="UTC",
    description="The whole graph, each day at 04:00 UTC.",
)

# A separate job, so that a system that is down does not stop the whole graph.
source_systems = dg.define_asset_job(
    "source_systems",
    selection=dg.AssetSelection.assets(*landed_tables),
    description="Lands new records of Salesforce, HubSpot, Zendesk and Stripe.",
)


@dg.schedule(
    job=source_systems,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    description="All source systems with credentials, each day at 03:00 UTC.",
)
def source_systems_daily() -> dg.RunRequest | dg.SkipReason:
    """Request a run for the systems that have credentials."""
    tables = configured_tables()
    if not tables:
        return dg.SkipReason("No source system has credentials (docs/reference/source-systems.md).")
    return dg.RunRequest(asset_selection=tables)
