"""One command migrates a warehouse of an earlier release, which had all tables in one schema."""

import json

import duckdb

from tests.support.deployment import NO_TESTS

SAMPLE = ("--people", "80", "--days", "40")
FORMER = {
    "int_events_deduplicated": "landed_events",
    "int_events_flagged": "flagged_events",
    "int_events_validated": "judged_events",
    "int_pending_removals": "int_removals",
    "int_reached_account_regions": "int_regions",
    "int_reached_components": "int_components",
    "int_reached_components_after_refusals": "int_cut_components",
    "int_reached_components_without_pair": "int_limbs",
    "int_reached_device_intervals": "int_device_intervals",
    "int_reached_edge_guards": "int_edge_guards",
    "int_reached_edges_joining_accounts": "int_bridges",
    "int_reached_edges_joining_excluded": "int_cuts",
    "int_reached_edges_over_limit": "int_excess",
    "int_reached_identifier_guards": "int_identifier_guards",
    "model_parameters": "model_terms",
}
NEW = "unfinished_nodes"  # which the earlier release did not have
COMMAND = "dbt run-operation move_former_tables"
# Columns with the time of the build, not its content.
OF_THE_RUN = {"landed_at", "judged_at", "updated_at", "lost_at", "removed_at", "changed_ns"}
OF_THE_RUN |= {"revision"}
LAST_RUN = ("int_touched", "int_reached", "segment_definitions", "identity_progress")


def put_back(deployment):
    """Restore the former layout: all tables in `tideline`, some under another name."""
    with duckdb.connect(str(deployment.warehouse)) as connection:
        found = connection.execute(
            "select table_name, table_type from information_schema.tables "
            "where table_schema = 'tideline_internal' and table_name <> ?",
            [NEW],
        ).fetchall()
        for name, kind in found:
            former, home = FORMER.get(name, name), f"tideline_internal.{name}"
            if kind == "VIEW":
                connection.execute(f"create view tideline.{former} as select 1 as stands_for_it")
            else:
                connection.execute(f"create table tideline.{former} as from {home}")
        connection.execute("drop schema tideline_internal cascade")
        connection.execute("alter table tideline.dim_profiles rename column latest_email to email")


def rows_of(deployment):
    """The rows of each table and view by name, without the columns with the time of the build."""
    manifest = json.loads((deployment.folder / "target" / "manifest.json").read_text())
    rows = {}
    for node in manifest["nodes"].values():
        name = node["name"]
        if node["resource_type"] in ("model", "seed") and not name.startswith(LAST_RUN):
            columns = [column for column, *_ in deployment.query(f"describe {name}")]
            kept = ", ".join(column for column in columns if column not in OF_THE_RUN)
            rows[name] = sorted(deployment.query(f"select {kept or 'true'} from {name}"), key=repr)
    return rows


def schemas(deployment):
    return dict(deployment.query("select table_name, table_schema from information_schema.tables"))


def test_built_tables_are_kept(deployment):
    deployment.sample(*SAMPLE, "--to-day", "38")
    deployment.dbt("build", *NO_TESTS)
    landed = deployment.value("select max(landed_at) from raw_messages")
    places = schemas(deployment)
    put_back(deployment)

    for command in (["build", *NO_TESTS], ["seed"]):
        said = deployment.dbt(*command, fails=True)
        assert "tables and views, such as" in said and f"Run `{COMMAND}` once" in said
    assert "int_events_deduplicated" not in schemas(deployment)

    said = deployment.dbt(*COMMAND.split()[1:])
    moved = [name for name, schema in places.items() if schema == "tideline_internal"]
    assert f"{len(moved) - 1} tables and views" in said and NEW in moved
    assert set(schemas(deployment).values()) == {"tideline", "tideline_internal"}
    assert deployment.value("select max(landed_at) from raw_messages") == landed
    assert "0 tables and views" in deployment.dbt(*COMMAND.split()[1:])

    deployment.sample(*SAMPLE, "--from-day", "38")
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute("create table tideline_internal.trait_steps as select 1 as retired")
    deployment.dbt("build", *NO_TESTS)
    assert schemas(deployment) == places
    assert deployment.value("select min(landed_at) from raw_messages") == landed
    after = rows_of(deployment)
    deployment.dbt("build", "--full-refresh", *NO_TESTS)
    rebuilt = rows_of(deployment)
    assert after["fct_sessions"] and after["identity_map"] and after["raw_messages"]
    assert {name for name in after if after[name] != rebuilt[name]} == set()


def test_a_table_does_not_replace_another(deployment):
    """This happens if the table for a load is created before the old one is moved."""
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute("create schema tideline; create schema tideline_internal")
        connection.execute("create table tideline.raw_messages as select 1 as number")
        connection.execute("create table tideline_internal.raw_messages (number integer)")
    said = deployment.dbt(*COMMAND.split()[1:], fails=True)
    assert "exist, and one would replace the other" in said
    assert deployment.query("from tideline.raw_messages") == [(1,)]
