"""The parsed project that deployments share is what dbt parses for each of them."""

import json

import pytest


def manifest(deployment):
    """What dbt knows of the project, without the times of parsing and of this run."""
    path = deployment.folder / "target" / "manifest.json"
    read = json.loads(path.read_text(), object_hook=lambda d: {**d, "created_at": 0})
    for name in ("group_map", "parent_map", "child_map"):  # their order says nothing
        read[name] = {key: ids and sorted(ids) for key, ids in read[name].items()}
    return {name: part for name, part in read.items() if name != "metadata"}


@pytest.mark.parametrize(
    ("variables", "others"),
    [
        ("{}", "{}"),
        (
            "{as_of: '2026-01-01', churn_horizon_days: 60, clock_tolerance_seconds: 1}",
            "{as_of: '2026-02-01', session_timeout_minutes: 5}",
        ),
    ],
)
def test_a_shared_parsed_project_is_as_if_parsed_here(deployment, variables, others):
    deployment.env["DBT_LOG_LEVEL_FILE"] = "debug"
    deployment.dbt("parse", variables=others)
    deployment.dbt("parse", variables=variables)
    shared = manifest(deployment)
    log = (deployment.folder / "logs" / "dbt.log").read_text()
    assert "skipping parsing" in log.rpartition("Running with dbt")[2]
    deployment.run("dbt.cli.main", "parse", "--no-partial-parse", "--vars", variables)
    assert shared == manifest(deployment)
    assert str(deployment.landing) in json.dumps(shared["sources"])
