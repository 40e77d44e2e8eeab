"""A warehouse lists the nodes that the last run which selected them did not finish."""

import duckdb
import pytest

from tests.support.deployment import NO_TESTS


def unfinished(deployment):
    """What is unfinished among the nodes that this test builds."""
    return deployment.query("select * from unfinished_nodes where status <> 'stale' order by all")


def change(deployment, sql):
    with duckdb.connect(str(deployment.warehouse)) as connection:
        connection.execute(sql)


@pytest.fixture(scope="module")
def built(shared_deployment):
    shared_deployment.sample("--people", "20", "--days", "20")
    shared_deployment.dbt("build", *NO_TESTS, "--select", "+int_events_flagged")
    return shared_deployment


def test_a_run_without_errors_leaves_none(built):
    assert unfinished(built) == []


def test_errors_and_what_they_skip_stay_until_they_are_built(built):
    change(built, "drop table tideline_internal.int_events_deduplicated cascade")
    words = ["run", "--select", "int_events_flagged", "int_busy_minutes"]
    built.dbt(*words, fails=True)
    names = {node.split(".")[2]: status for node, status in unfinished(built)}
    assert "error" in names.values() and names.keys() <= {"int_events_flagged", "int_busy_minutes"}
    built.dbt("run", "--select", "stg_collector__events")  # another run does not take them off
    assert {node.split(".")[2] for node, _ in unfinished(built)} == names.keys()
    said = built.run("tideline", "publish", fails=True)
    assert "has no tables yet" in said or "has not finished" in said
    built.dbt("build", *NO_TESTS, "--full-refresh", "--select", "+int_events_flagged")
    assert unfinished(built) == []


def test_a_failed_test_stays_until_it_passes(built):
    change(
        built, "insert into tideline_internal.event_aliases from tideline_internal.event_aliases"
    )
    built.dbt("test", "--select", "event_aliases", fails=True)
    names = [node.split(".")[0] for node, _ in unfinished(built)]
    assert names and {*names} == {"test"}
    built.dbt("seed", "--select", "event_aliases")
    assert [node.split(".")[0] for node, _ in unfinished(built)] == names
    built.dbt("test", "--select", "event_aliases")
    assert unfinished(built) == []


def test_a_node_that_the_project_no_longer_has_is_not_waited_for(built):
    change(
        built,
        "insert into tideline_internal.unfinished_nodes values ('model.tideline.former', 'error')",
    )
    built.dbt("seed", "--select", "event_aliases")
    assert unfinished(built) == []


def test_what_reads_a_newer_table_is_listed_until_it_is_built(built):
    stale = "select node_id from unfinished_nodes where status = 'stale'"
    built.dbt("run", "--select", "int_events_deduplicated")
    names = {node.split(".")[2] for (node,) in built.query(stale)}
    assert {"int_events_flagged", "fct_events"} <= names
    built.dbt("run", "--select", "int_events_flagged")
    again = {node.split(".")[2] for (node,) in built.query(stale)}
    assert "int_events_flagged" not in again and "fct_events" in again


def test_an_empty_run_finishes_nothing(built):
    built.dbt("run", "--empty", "--select", "int_events_flagged")
    assert ("model.tideline.int_events_flagged", "empty") in unfinished(built)
    built.dbt("run", "--full-refresh", "--select", "int_events_flagged")
    assert unfinished(built) == []


def test_other_commands_list_nothing(built):
    change(built, "drop table tideline_internal.unfinished_nodes")
    built.dbt("compile", "--select", "event_aliases")
    assert (
        built.value("select count(*) from duckdb_tables() where table_name = 'unfinished_nodes'")
        == 0
    )
