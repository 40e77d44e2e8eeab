"""When the graph runs by itself. Everything here is off until somebody turns it on in the UI."""

import dagster as dg

from orchestration.system_assets import configured_tables, landed_tables

whole_graph = dg.define_asset_job(
    "whole_graph",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(*landed_tables),
    description="From the landed files to the destinations: what is new, and what it changes.",
)

daily = dg.ScheduleDefinition(
    name="whole_graph_daily",
    job=whole_graph,
    cron_schedule="0 4 * * *",
    execution_timezone="UTC",
    description="The whole graph, each day at 04:00 UTC.",
)

# A job of its own: a system that is down must not keep the graph from what the others landed.
source_systems = dg.define_asset_job(
    "source_systems",
    selection=dg.AssetSelection.assets(*landed_tables),
    description="What is new in Salesforce, HubSpot, Zendesk and Stripe becomes landed files.",
)


@dg.schedule(
    job=source_systems,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    description="The source systems that have credentials, each day at 03:00 UTC.",
)
def source_systems_daily() -> dg.RunRequest | dg.SkipReason:
    """Request a run of the systems that have credentials."""
    tables = configured_tables()
    if not tables:
        return dg.SkipReason("No source system has credentials (docs/reference/source-systems.md).")
    return dg.RunRequest(asset_selection=tables)
