"""The parsed project that deployments share is what dbt parses for each of them."""

import json


def manifest(deployment):
    """What dbt knows of the project, without the times of parsing and of this run."""
    path = deployment.folder / "target" / "manifest.json"
    read = json.loads(path.read_text(), object_hook=lambda d: {**d, "created_at": 0})
    for name in ("group_map", "parent_map", "child_map"):  # their order says nothing
        read[name] = {key: ids and sorted(ids) for key, ids in read[name].items()}
    return {name: part for name, part in read.items() if name != "metadata"}


def test_a_shared_parsed_project_is_as_if_parsed_here(deployment):
    deployment.env["DBT_LOG_LEVEL_FILE"] = "debug"
    deployment.dbt("parse")
    shared = manifest(deployment)
    assert "skipping parsing" in (deployment.folder / "logs" / "dbt.log").read_text()
    deployment.run("dbt.cli.main", "parse", "--no-partial-parse")
    assert shared == manifest(deployment)
    assert str(deployment.landing) in json.dumps(shared["sources"])
