"""The sensor that runs the graph when files land. It is off until a user turns it on in the UI."""

import time
from pathlib import Path

import dagster as dg

from orchestration.landing_assets import fingerprint, landed_files, nothing_landed
from orchestration.project import environment
from orchestration.schedules import whole_graph

SETTLED_AFTER = 10  # seconds without a change; before that, a copy may still be running


@dg.sensor(
    job=whole_graph,
    minimum_interval_seconds=30,
    description="Starts the whole graph when files have landed.",
)
def new_files(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request a run if the landed files have changed since the last request."""
    landing = Path(environment()["TIDELINE_LANDING"])
    files = landed_files(landing)
    if not files:
        return dg.SkipReason(nothing_landed(landing))
    if time.time() - max(path.stat().st_mtime for path in files) < SETTLED_AFTER:
        return dg.SkipReason("Files are landing; waiting until the newest is complete.")
    landed = fingerprint(files)
    if landed == context.cursor:
        return dg.SkipReason(f"No new files among {len(files)}.")
    context.update_cursor(landed)
    return dg.RunRequest(run_key=landed)
