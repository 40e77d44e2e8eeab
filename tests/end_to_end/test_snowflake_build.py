"""The whole graph gives the same rows in Snowflake's SQL and on DuckDB.

Both warehouses get the same landed rows in two loads and build after each: DuckDB with dbt alone,
Snowflake on a fakesnow server, with Python models run outside dbt (see `fakesnow_server`) and
`raw_messages` filled by a load, as on Snowflake. Not covered, because fakesnow cannot run them:
unit tests, which need temporary tables, and the second run of snapshots.
"""

import json
import math
import os
import re
import subprocess
import sys
from graphlib import TopologicalSorter

import duckdb
import pytest

from tests.support.deployment import NO_TESTS, REPOSITORY
from tests.support.fakesnow_server import FakesnowServer

LOADED = "raw_messages"
ON_ONE_MACHINE = {LOADED, "landed_files"}  # the raw layer, replaced by a load
JSON_COLUMNS = ("context", "properties", "traits", "record")
SAMPLE = ("--people", "60", "--days", "100")  # the smallest sample on which a model is trained
# So few people do not promote a model, but the scores must be compared.
PROMOTE = "update {} set value = 0.001 where term = 'auc_gain_low'"
LOADS = (("--to-day", "95"), ("--from-day", "95"))
MUST_HAVE_ROWS = {
    "fct_sessions",
    "identity_map",
    "profile_scores",
    "segment_intervals",
    "segment_memberships",
    "segment_sizes",
}
# Snowflake cannot slide `count_distinct` over time, so fewer rules have intervals there; and the
# server cannot run a snapshot again, from which `segment_changes` follows.
NOT_COMPARED = {"segment_progress", "segment_changes", "segment_flows"}
COLUMNS_NOT_COMPARED = {
    "segments": {"without_intervals_because", "last_changed_at"},
    "segment_memberships": {"valid_from", "valid_until", "entered_event_id"},
    # The number of a run is the time of its start.
    "profile_revisions": {"revision"},
    "trait_readings": {"revision"},
}
OF_INTERVALS = ("segment_intervals", "current_intervals", "segment_stays", "segment_sizes")
OF_INTERVALS += ("profile_segment_times",)
COMPARED = dict.fromkeys(OF_INTERVALS, "segment_name in ('cart_abandoned', 'category_fan')")


def built_nodes(manifest):
    """The nodes that dbt writes to the warehouse, by unique id."""
    return {
        key: node
        for key, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed", "snapshot")
        and node["name"] not in ON_ONE_MACHINE
    }


def stages(manifest):
    """Yield pairs in the order of the graph: nodes for dbt to build, then Python models to run.

    A node's stage is the number of Python models on the longest path to it.
    """
    nodes = built_nodes(manifest)
    parents = {key: [p for p in manifest["parent_map"][key] if p in nodes] for key in nodes}
    python = {key for key, node in nodes.items() if node.get("language") == "python"}
    stage = {}
    for key in TopologicalSorter(parents).static_order():
        stage[key] = max((stage[p] + (p in python) for p in parents[key]), default=0)
    for number in range(max(stage.values()) + 1):
        here = [key for key in stage if stage[key] == number]
        yield (
            [nodes[key] for key in here if key not in python],
            [nodes[key] for key in here if key in python],
        )


def dbt_on_snowflake(deployment, server, *words):
    """Run a dbt command against the server."""
    environment = server.environment | {
        "DBT_TARGET": "fakesnow",
        "DBT_TARGET_PATH": str(deployment.folder / "snowflake"),
    }
    return deployment.run("dbt.cli.main", *words, **environment)


def manifest_of(deployment):
    return json.loads((deployment.folder / "target" / "manifest.json").read_text())


def build_on_snowflake(deployment, server, is_first):
    """Build every node, like `dbt build`."""
    for sql, python in stages(manifest_of(deployment)):
        names = [node["name"] for node in sql if is_first or node["resource_type"] != "snapshot"]
        if names:
            dbt_on_snowflake(deployment, server, "build", *NO_TESTS, "--select", *names)
        for node in python:
            server.run_python_model(node, REPOSITORY)


@pytest.fixture(scope="module")
def warehouses(shared_deployment):
    """The DuckDB deployment, the server and the manifest, after two loads into both."""
    deployment, taken = shared_deployment, 0
    with FakesnowServer(deployment.folder / "fakesnow.log") as server:
        dbt_on_snowflake(deployment, server, "run-operation", "create_raw_messages")
        for number, days in enumerate(LOADS):
            deployment.sample(*SAMPLE, *days)
            deployment.dbt("build", *NO_TESTS)
            with duckdb.connect(str(deployment.warehouse), read_only=True) as connection:
                raw = connection.table(f"tideline_internal.{LOADED}").order("landed_at").df()
            server.append(LOADED, raw.iloc[taken:], json_columns=JSON_COLUMNS)
            taken = len(raw)
            build_on_snowflake(deployment, server, is_first=number == 0)
            with duckdb.connect(str(deployment.warehouse)) as connection:
                connection.execute(PROMOTE.format("tideline_internal.model_parameters"))
            server.execute(PROMOTE.format(server.place("model_parameters")))
        yield deployment, server


def columns_of(deployment, table):
    """Columns and their DuckDB types, floats last, because rows are sorted by the others."""
    return deployment.query(
        "select column_name, data_type from information_schema.columns where table_schema like "
        f"'tideline%' and table_name = '{table}' order by data_type = 'DOUBLE', column_name"
    )


def sorted_rows(query, table, columns, condition):
    """The sorted rows of a table that meet a condition, with sorted keys in JSON."""
    selected = ", ".join(
        f"cast({name} as varchar)" if kind in ("TIMESTAMP", "DATE", "JSON") else name
        for name, kind in columns
    )
    is_json = [kind == "JSON" for _, kind in columns]
    rows = (
        [
            json.dumps(json.loads(cell), sort_keys=True) if json_cell and cell else cell
            for cell, json_cell in zip(row, is_json, strict=True)
        ]
        for row in query(f"select {selected} from {table} where {condition}")
    )
    return sorted(rows, key=lambda row: [(cell is not None, str(cell)) for cell in row])


def is_same(ours, theirs):
    """Whether two rows are equal, except for the last digits of floats."""
    return all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
        if isinstance(a, float) and b is not None
        else a == b
        for a, b in zip(ours, theirs, strict=True)
    )


def test_both_warehouses_hold_the_same_rows(warehouses):
    deployment, server = warehouses
    differing, empty = {}, set()
    for node in built_nodes(manifest_of(deployment)).values():
        name = node["name"]
        if node["resource_type"] == "snapshot" or name in NOT_COMPARED:
            continue
        left_out = COLUMNS_NOT_COMPARED.get(name, ())
        columns = [each for each in columns_of(deployment, name) if each[0] not in left_out]
        ours = sorted_rows(deployment.query, name, columns, COMPARED.get(name, "true"))
        theirs = sorted_rows(
            server.execute, server.place(name), columns, COMPARED.get(name, "true")
        )
        pairs = zip(ours, theirs, strict=False)
        first = next((pair for pair in pairs if not is_same(*pair)), None)
        if first or len(ours) != len(theirs):
            cells = zip(columns, *(first or ((), ())), strict=False)
            unequal = [(column, a, b) for (column, _), a, b in cells if a != b]
            differing[name] = (len(ours), len(theirs), unequal)
        if not ours:
            empty.add(name)
    assert not differing
    assert not MUST_HAVE_ROWS & empty


def test_data_tests_pass_on_snowflake(warehouses):
    words = ["test", "--select", "test_type:data", "--exclude", "landed_files"]
    dbt_on_snowflake(*warehouses, *words)


def test_the_default_selection_leaves_the_loaded_table_alone(warehouses):
    listed = dbt_on_snowflake(*warehouses, "list", "--resource-type", "model", "--output", "name")
    names = {line.strip() for line in listed.splitlines()}
    assert "int_events_deduplicated" in names
    assert LOADED not in names


def test_the_models_read_well_in_snowflakes_dialect(tmp_path):
    """Lints each model's first run on an empty warehouse, as `make lint` does for DuckDB.

    The layout is not linted again, because the source text is the same.
    """
    words = ["lint", "models", "tests/dbt", "--dialect", "snowflake", "--disable-progress-bar"]
    words += ["--rules", "aliasing,ambiguous,capitalisation,convention,jinja,references,structure"]
    with FakesnowServer(tmp_path / "fakesnow.log") as server:
        environment = server.environment | {
            "DBT_TARGET": "fakesnow",
            "DBT_TARGET_PATH": str(tmp_path / "target"),
            "DBT_LOG_PATH": str(tmp_path / "logs"),
        }
        done = subprocess.run(
            [sys.executable, "-m", "sqlfluff", *words],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr


def test_readers_get_a_schema_of_views(warehouses):
    deployment, server = warehouses
    words = ["tideline", "publish"]
    # dbt does not know that Python models were run.
    server.execute("delete from analytics.tideline_internal.unfinished_nodes")
    environment = server.environment | {"DBT_TARGET": "fakesnow"}
    server.execute("create schema analytics.tideline_published")
    server.execute("create view analytics.tideline_published.former as select 1 as number")
    for _again in range(2):
        said = deployment.run(*words, **environment)
        assert re.match(r'"ANALYTICS"."TIDELINE_PUBLISHED": \d+ tables, as of 20', said)
    views = {
        name.lower()
        for (name,) in server.execute(
            "select table_name from analytics.information_schema.views "
            "where table_schema = 'TIDELINE_PUBLISHED'"
        )
    }
    public = {
        node["name"]
        for node in built_nodes(manifest_of(deployment)).values()
        if node["schema"] == "tideline"
    }
    assert views == public
    for name in MUST_HAVE_ROWS:
        published, built = (
            server.execute(f"select count(*) from analytics.{schema}.{name}")
            for schema in ("tideline_published", "tideline")
        )
        assert published == built != [(0,)]
