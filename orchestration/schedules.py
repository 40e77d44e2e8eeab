"""When the graph runs by itself. Everything here is off until somebody turns it on in the UI."""

import dagster as dg

whole_graph = dg.define_asset_job(
    "whole_graph",
    selection=dg.AssetSelection.all(),
    description="From the landed files to the destinations: what is new, and what it changes.",
)

daily = dg.ScheduleDefinition(
    name="whole_graph_daily",
    job=whole_graph,
    cron_schedule="0 4 * * *",
    execution_timezone="UTC",
    description="The whole graph, each day at 04:00 UTC.",
)
