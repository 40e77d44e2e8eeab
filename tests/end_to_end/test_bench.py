"""`make bench` on little data shows every stage and every graph with its ratios."""

import re
import shutil

import duckdb

from benchmarks.components import is_agreed


def test_the_page_names_every_stage(deployment):
    deployment.env["DBT_EXCLUDE_RESOURCE_TYPES"] = "test unit_test"  # slow, and not a stage
    page = deployment.run("benchmarks.whole_graph", "--events", 5000)
    loads = re.findall(
        r"(First load|One more day): ([0-9,]+) rows landed; floor of the first load", page
    )
    assert [name for name, _ in loads] == ["First load", "One more day"]
    first, second = (int(rows.replace(",", "")) for _, rows in loads)
    assert 2500 < first < 10_000 and second < first / 20
    for stage in ("raw", "events", "identity", "sessions", "features", "segments", "delivery"):
        found = re.findall(rf"^  {stage} +([0-9,]+) +[0-9.]+ +[0-9,]+ +[0-9.]+$", page, re.M)
        assert len(found) == 2 and all(int(rows.replace(",", "")) > 0 for rows in found), stage


def test_components_are_those_of_splink_and_scipy(deployment):
    page = deployment.run("benchmarks.components", "--edges", 2000, "--chain", 100, "--repeats", 1)
    rows = re.findall(
        r"^  (people|chain|day 1) +([0-9,]+) +([0-9,]+) +([0-9]+) +[0-9.]+ ", page, re.M
    )
    assert [name for name, *_ in rows] == ["people", "chain", "day 1"]
    people, chain, arrival = ([int(text.replace(",", "")) for text in row[1:]] for row in rows)
    assert 1800 < people[0] < 2200
    assert chain[:2] == [99, 100]
    assert 0 < arrival[0] < people[0] / 50 and arrival[1] < people[1] / 10
    assert all(1 <= rounds <= 7 for _, _, rounds in (people, chain, arrival))


def test_syncs_are_measured_against_an_export(deployment):
    page = deployment.run("benchmarks.syncs", "--rows", 500, "--repeats", 1)
    rows = re.findall(
        r"^  ([a-z0-9% ]+?) +([0-9,]+) +[0-9.]+ +[0-9,]+ +[0-9.]+ +[0-9,]+$", page, re.M
    )
    operations = {"floor": "500", "first load": "500", "no change": "0"}
    assert dict(rows) == operations | {"plan of 1%": "5", "run of 1%": "5"}


def test_wrong_components_stop_the_measurement(tmp_path):
    warehouse = tmp_path / "bench.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("""
            create table people_components (node, component) as values ('a', 'a'), ('b', 'a');
            create table people_splink (node, cluster_id) as from people_components;
            create table people_scipy as from people_components;
        """)
    assert is_agreed(warehouse, "people")
    for broken in (
        "update people_splink set cluster_id = 'b' where node = 'b'",
        "update people_scipy set component = 'b' where node = 'b'",
        "delete from people_components where node = 'b'",
    ):
        copy = shutil.copy(warehouse, tmp_path / "copy.duckdb")
        with duckdb.connect(str(copy)) as connection:
            connection.execute(broken)
        assert not is_agreed(copy, "people")
