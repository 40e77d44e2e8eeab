"""The project in Dagster: one lineage from the landed files to the destinations."""

import graphlib
import importlib
import json
import os
import subprocess
import sys
from datetime import datetime

import dagster as dg
import pytest
import yaml

from tests.support.deployment import REPOSITORY
from tideline.landing.systems import SYSTEMS

LANDED = dg.AssetKey(["landing", "event_files"])
SYSTEM_TABLES = {
    dg.AssetKey(["landing", system.name, table])
    for system in SYSTEMS.values()
    for table in system.tables
}
PUBLISHED = dg.AssetKey("published_tables")
AUDIENCES = dg.AssetKey("activation_audiences")
POOL = "duckdb_writer"


@pytest.fixture(scope="module")
def location(tmp_path_factory):
    """The module of the code location, with dbt artifacts in a temporary folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_TARGET_PATH", str(tmp_path_factory.mktemp("target")))
        patch.delenv("DBT_TARGET", raising=False)
        yield importlib.import_module("orchestration.definitions")


@pytest.fixture(scope="module")
def graph(location):
    return location.defs.resolve_asset_graph()


@pytest.fixture(scope="module")
def manifest(location):
    return json.loads(location.prepared_manifest().read_text())


@pytest.fixture(scope="module")
def syncs(manifest):
    return [dg.AssetKey(exposure["name"]) for exposure in manifest["exposures"].values()]


@pytest.fixture
def landing(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDELINE_LANDING", str(tmp_path))
    (tmp_path / "events").mkdir()
    return tmp_path / "events"


def test_every_table_file_and_sync_is_an_asset(graph, manifest, syncs):
    tables = {
        dg.AssetKey(node["name"])
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed", "snapshot")
    }
    assert len(tables) > 40 and len(syncs) >= 2
    others = {LANDED, *SYSTEM_TABLES, *syncs, PUBLISHED}
    assert graph.materializable_asset_keys == tables | others


def test_every_data_test_is_a_check_of_its_table(graph, manifest):
    tests = {node["name"] for node in manifest["nodes"].values() if node["resource_type"] == "test"}
    shown = {key.name for key in graph.asset_check_keys}
    assert len(tests) > 100
    assert shown == tests | {"in_step", "receipt_balances"}
    lost = next(key for key in graph.asset_check_keys if key.name == "assert_nothing_is_lost")
    assert lost.asset_key.to_user_string() in (
        "fct_events",
        "events_duplicated",
        "events_quarantined",
    )


def test_the_lineage_runs_from_the_landed_files_to_each_sync(graph, syncs):
    assert graph.get(dg.AssetKey("landed_files")).parent_keys == {LANDED, *SYSTEM_TABLES}
    for sync in syncs:
        assert graph.get(sync).parent_keys == {AUDIENCES}
        assert LANDED in graph.get_ancestor_asset_keys(sync)


def test_groups_follow_the_folders_in_one_direction(graph):
    before = {}
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        before.setdefault(node.group_name, set()).update(
            {graph.get(parent).group_name for parent in node.parent_keys} - {node.group_name}
        )
    order = list(graphlib.TopologicalSorter(before).static_order())  # raises on a cycle
    flow = ["landing", "raw", "staging", "events", "identity", "features", "predictions"]
    flow += ["segments", "activation", "destinations"]
    assert [group for group in order if group in flow] == flow
    others = {"declarations", "sessions", "privacy", "publication"}
    assert set(order) - set(flow) == others


def test_the_publication_follows_each_public_table(graph, manifest):
    public = {
        dg.AssetKey(node["name"])
        for node in manifest["nodes"].values()
        if node["schema"] == "tideline" and node["resource_type"] in ("model", "snapshot")
    }
    assert len(public) > 30 and graph.get(PUBLISHED).parent_keys == public
    assert graph.get(PUBLISHED).automation_condition == dg.AutomationCondition.eager()


def test_assets_have_owners_and_kinds(graph):
    assert graph.get(dg.AssetKey("segments_to_webhook")).owners == ["team:marketing"]
    assert "team:merchandising" in graph.get(dg.AssetKey("profile_segments")).owners
    assert graph.get(dg.AssetKey("segments_to_webhook")).kinds == {"webhook"}
    assert graph.get(dg.AssetKey("model_parameters")).kinds == {"dbt", "python", "scikitlearn"}
    assert graph.get(dg.AssetKey("fct_events")).kinds == {"dbt", "duckdb"}
    team = importlib.import_module("orchestration.transform").team
    assert [team("R&D north"), team("a@b.example")] == ["team:r_d_north", "a@b.example"]
    undescribed = [key for key in graph.materializable_asset_keys if not graph.get(key).description]
    assert not undescribed


def test_all_assets_that_open_the_warehouse_take_turns(graph, syncs):
    for key in graph.materializable_asset_keys - {LANDED, *SYSTEM_TABLES}:
        assert graph.get(key).pools == {POOL}, key
    settings = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    assert settings["concurrency"]["pools"]["default_limit"] == 1
    assert settings["telemetry"]["enabled"] is False


def test_syncs_follow_a_renewed_audience(graph, syncs):
    for sync in syncs:
        assert graph.get(sync).automation_condition == dg.AutomationCondition.eager()


def test_the_manifest_is_renewed_when_the_project_has_changed(location, monkeypatch):
    project = importlib.import_module("orchestration.project")
    path = project.prepared_manifest()
    before = path.stat().st_mtime_ns
    assert project.prepared_manifest().stat().st_mtime_ns == before
    monkeypatch.setattr(project, "_last_change", lambda: path.stat().st_mtime + 1)
    assert project.prepared_manifest().stat().st_mtime_ns > before


def test_paths_are_absolute_and_relative_ones_start_at_the_repository(location, monkeypatch):
    project = importlib.import_module("orchestration.project")
    monkeypatch.delenv("TIDELINE_WAREHOUSE", raising=False)
    monkeypatch.setenv("TIDELINE_LANDING", "elsewhere")
    monkeypatch.setenv("TIDELINE_DELIVERIES", "/srv/deliveries")
    variables = project.environment()
    assert variables["TIDELINE_LANDING"] == str(REPOSITORY / "elsewhere")
    assert variables["TIDELINE_DELIVERIES"] == "/srv/deliveries"
    profile = yaml.safe_load((REPOSITORY / "profiles.yml").read_text())
    default = variables["TIDELINE_WAREHOUSE"].removeprefix(f"{REPOSITORY}/")
    assert f"'{default}'" in profile["tideline"]["outputs"]["duckdb"]["path"]


def test_an_empty_landing_fails_and_says_what_to_put_where(location, landing):
    (landing / "notes.txt").write_text("not events")
    result = dg.materialize([location.event_files], raise_on_error=False)
    assert not result.success
    message = result.failure_data_for_node("landing__event_files").user_failure_data.description
    assert str(landing) in message and "tideline sample" in message


def test_the_landing_reports_its_files(location, landing):
    (landing / "2026-11-01.jsonl").write_text("{}\n")
    (landing / "2026-11-02.jsonl.gz").write_bytes(b"12345")
    os.utime(landing / "2026-11-01.jsonl", (1, 1))
    [event] = dg.materialize([location.event_files]).asset_materializations_for_node(
        "landing__event_files"
    )
    values = {name: entry.value for name, entry in event.metadata.items()}
    assert values["files"] == 2 and values["bytes"] == 8
    assert values["newest file"] == "2026-11-02.jsonl.gz"


def test_the_sensor_asks_for_one_run_per_landing(location, landing):
    sensor = location.new_files

    def look(cursor):
        context = dg.build_sensor_context(cursor=cursor)
        return sensor(context), context.cursor

    answer, _ = look(None)
    assert "Nothing has landed" in answer.skip_message
    file = landing / "a.jsonl"
    file.write_text("{}\n")
    answer, _ = look(None)
    assert "waiting" in answer.skip_message
    os.utime(file, (1, 1))
    answer, cursor = look(None)
    assert isinstance(answer, dg.RunRequest)
    answer, _ = look(cursor)
    assert "No new files" in answer.skip_message
    file.write_text("{}\n{}\n")
    os.utime(file, (2, 2))
    answer, renewed = look(cursor)
    assert isinstance(answer, dg.RunRequest) and renewed != cursor


def sync_run(status, message="", **counts):
    from tideline.activation.engine import SyncResult
    from tideline.activation.ledger import Run
    from tideline.activation.plan import Counts

    run = Run("r", "s", "webhook: example.com", datetime(2026, 11, 1), status, message)
    for name, count in counts.items():
        run.plan("add", count)
        run.move("add", count, "held", name)
    return SyncResult(run, Counts())


def test_a_sync_reports_its_result(location):
    from orchestration.sync_assets import events

    key = dg.AssetKey("s")
    [done] = events(key, sync_run("succeeded", accepted=3))
    assert isinstance(done, dg.MaterializeResult) and done.metadata["accepted"] == 3
    assert done.metadata["to"] == "webhook: example.com"
    assert done.check_results[0].passed

    [partly] = events(key, sync_run("succeeded", "1 row refused", accepted=2, rejected=1))
    assert not partly.check_results[0].passed
    for status in ("held", "rejected"):
        with pytest.raises(dg.Failure, match="too large a change") as failure:
            events(key, sync_run(status, "too large a change", held=9))
        assert failure.value.metadata["status"].value == status

    seen, check = events(key, sync_run("skipped", "set TIDELINE_WEBHOOK_URL"))
    assert isinstance(seen, dg.AssetObservation) and check.passed
    assert check.description == "set TIDELINE_WEBHOOK_URL"

    with pytest.raises(dg.Failure, match="destination is down"):
        events(key, sync_run("failed", "destination is down"))


def test_the_launcher_knows_whether_a_process_is_running():
    from orchestration.run_launcher import is_alive

    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(child.pid) and is_alive(os.getpid())
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is dead, but still a zombie
    assert not is_alive(child.pid)
    child.communicate()
    assert not is_alive(child.pid)


def test_a_run_has_a_time_limit_and_our_launcher():
    settings = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    launcher = settings["run_launcher"]
    assert hasattr(importlib.import_module(launcher["module"]), launcher["class"])
    monitoring = settings["run_monitoring"]
    assert monitoring["enabled"] and monitoring["free_slots_after_run_end_seconds"] > 0
    assert 3600 <= monitoring["max_runtime_seconds"] <= 86400
