"""The whole graph in Snowflake's SQL gives the rows that it gives on DuckDB.

Both warehouses take in the same landed rows in two loads and build after each: DuckDB with dbt
alone, Snowflake on a fakesnow server, where the Python models are run beside dbt (see
`fakesnow_server`) and `raw_messages` is loaded, as it is there. What fakesnow cannot do stays out:
unit tests, which need temporary tables, and the second run of snapshots.
"""

import json
from graphlib import TopologicalSorter

import duckdb
import pytest

from tests.conftest import REPOSITORY
from tests.integration.fakesnow_server import FakesnowServer

LOADED = "raw_messages"
SAMPLE = ("--people", "60", "--days", "45", "--seed", "3")
LOADS = (("--to-day", "42"), ("--from-day", "42"))
MUST_HAVE_ROWS = {"fct_events", "fct_sessions", "identity_map", "dim_profiles", "profile_features"}


def built_nodes(manifest):
    """What dbt writes to the warehouse, by unique id."""
    return {
        key: node
        for key, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed", "snapshot") and node["name"] != LOADED
    }


def stages(manifest):
    """Yield pairs in the order of the graph: nodes for dbt to build, then Python models to run.

    A node's stage is the number of Python models on the longest way to it.
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


def build_on_snowflake(deployment, server, is_first):
    """Run every node and then every data test, as `dbt build` would; returns the manifest."""
    target = deployment.folder / "snowflake"
    environment = server.environment | {"DBT_TARGET": "fakesnow", "DBT_TARGET_PATH": str(target)}

    def dbt(*words):
        deployment.run("dbt.cli.main", *words, **environment)

    dbt("parse")
    manifest = json.loads((target / "manifest.json").read_text())
    no_tests = ("--exclude-resource-types", "test", "--exclude-resource-types", "unit_test")
    for sql, python in stages(manifest):
        names = [node["name"] for node in sql if False or node["resource_type"] != "snapshot"]
        if names:
            dbt("build", *no_tests, "--select", *names)
        for node in python:
            server.run_python_model(node, REPOSITORY)
    dbt("test", "--select", "test_type:data")
    return manifest


@pytest.fixture(scope="module")
def warehouses(shared_deployment):
    """The deployment on DuckDB, the server and the manifest, after two loads into both."""
    deployment, taken = shared_deployment, 0
    deployment.warehouse = deployment.folder / "warehouse" / "duck.duckdb"  # XXX
    deployment.env["TIDELINE_WAREHOUSE"] = str(deployment.warehouse)  # XXX
    with FakesnowServer(deployment.folder / "fakesnow.log") as server:
        for number, days in enumerate(LOADS):
            deployment.sample(*SAMPLE, *days)
            deployment.dbt(
                "build",
                "--exclude-resource-types",
                "unit_test",
                "--exclude-resource-types",
                "snapshot",
            )  # XXX
            with duckdb.connect(str(deployment.warehouse), read_only=True) as connection:
                raw = connection.table(f"tideline.{LOADED}").order("landed_at").df()
            server.load(LOADED, raw.iloc[taken:], json_columns=["context", "properties", "traits"])
            taken = len(raw)
            manifest = build_on_snowflake(deployment, server, is_first=number == 0)
        yield deployment, server, manifest


def comparable(value, kind):
    """A cell without what may differ: the order of keys, the last digits of a float."""
    if value is None or isinstance(value, bool):
        return value
    if kind == "JSON":
        return json.dumps(json.loads(value), sort_keys=True)
    return value if isinstance(value, str) else float(f"{value:.9g}")


def sorted_rows(query, table, kinds):
    """The rows of a table as sorted tuples; `kinds` maps its columns to their DuckDB types."""
    as_text = {"TIMESTAMP", "DATE", "JSON"}
    expressions = [f"cast({c} as varchar)" if kind in as_text else c for c, kind in kinds.items()]
    rows = query(f"select {', '.join(expressions)} from {table}")
    types = kinds.values()
    return sorted(
        (tuple(comparable(*cell) for cell in zip(row, types, strict=True)) for row in rows),
        key=repr,
    )


def test_both_warehouses_hold_the_same_rows(warehouses):
    deployment, server, manifest = warehouses
    differing, empty = {}, set()
    for node in built_nodes(manifest).values():
        name = node["name"]
        if node["resource_type"] == "snapshot":
            continue
        kinds = dict(
            deployment.query(
                "select column_name, data_type from information_schema.columns "
                f"where table_schema = 'tideline' and table_name = '{name}' order by 1"
            )
        )
        ours = sorted_rows(deployment.query, name, kinds)
        theirs = sorted_rows(server.execute, name, kinds)
        if ours != theirs:
            pairs = zip(ours, theirs, strict=False)
            first = next(((a, b) for a, b in pairs if a != b), "one has more rows")
            differing[name] = (len(ours), len(theirs), first)
        if not ours:
            empty.add(name)
    assert not differing
    assert not MUST_HAVE_ROWS & empty
