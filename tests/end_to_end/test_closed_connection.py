"""A build's connection is restricted: SQL of declarations and models cannot access other files."""

import json
import os
import re
from pathlib import Path

import duckdb
import pytest
import sklearn

from tests.support.deployment import NO_TESTS
from tests.support.edited_project import edited_project
from tests.support.messages import GOOD
from tideline.warehouse.duckdb_file import close_off, open_file

OUTSIDE = next(Path(sklearn.__file__).parent.rglob("iris.csv")).resolve()


@pytest.fixture(scope="module")
def built(shared_deployment):
    """Raw rows of a file, a broken file and a linked file."""
    events = shared_deployment.landing / "events"
    row = json.dumps({**GOOD, "messageId": "m1"})
    (events / "rows.jsonl").write_text(row + "\n{broken\n")
    elsewhere = shared_deployment.folder / "warehouse" / "elsewhere.parquet"
    duckdb.sql(f"copy (select 'm2' as messageId) to '{elsewhere}' (format parquet)")
    (events / "linked.parquet").symlink_to(elsewhere)
    shared_deployment.env["TZ"] = "America/New_York"
    shared_deployment.dbt("build", "--select", "+raw_messages", "key_features", *NO_TESTS)
    return shared_deployment


def test_landed_files_and_seeds_are_read(built):
    rows = built.query("select message_id, problem is null from raw_messages order by 1")
    assert rows == [("m1", True), ("m2", True), (None, False)]
    assert built.value("select count(*) from key_features") > 0


def test_the_connection_of_dbt_is_closed(built):
    names = "lock_configuration, autoload_known_extensions, allow_community_extensions, TimeZone"
    columns = ", ".join(f"current_setting('{name}') as {name}" for name in names.split(", "))
    output = built.dbt("show", "--quiet", "--output", "json", "--inline", f"select {columns}")
    told = json.loads(output[output.index("{") :])["show"]
    assert list(told[0].values()) == [True, False, False, "UTC"]


@pytest.fixture
def closed(tmp_path):
    """A connection restricted to the folder `inside`."""
    for name in ("inside", "inside_not", "warehouse"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.csv").write_text("number\n1\n")
    (tmp_path / "inside" / "link.csv").symlink_to(tmp_path / "inside_not" / "file.csv")
    with open_file(tmp_path / "warehouse" / "warehouse.duckdb") as connection:
        close_off(connection, [tmp_path / "inside"])
        yield connection


@pytest.mark.parametrize(
    "sql",
    [
        "select content from read_text('/etc/hosts')",
        "from glob('/etc/*')",
        f"from '{OUTSIDE}'",
        "from '{here}/inside_not/file.csv'",
        "from '{here}/inside/../inside_not/file.csv'",
        "from '{here}/inside/link.csv'",
        "from '{here}/warehouse/file.csv'",
        "attach '{here}/other.duckdb'",
        "copy (select 1) to '{here}/other.csv'",
        "install httpfs",
        "load '{here}/inside/some.duckdb_extension'",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "set lock_configuration = false",
        "set memory_limit = '1TB'",
        "reset lock_configuration",
    ],
)
def test_no_outside_file_is_accessible_and_no_setting_changes(closed, tmp_path, sql):
    with pytest.raises(duckdb.Error, match=r"Permission Error|locked|disabled"):
        closed.execute(sql.replace("{here}", str(tmp_path))).fetchall()
    assert not list(tmp_path.glob("other*"))


def test_a_folder_with_any_name_can_be_allowed(tmp_path):
    odd = tmp_path / "it's [here] ünï"
    odd.mkdir()
    (odd / "file.csv").write_text("number\n1\n")
    with open_file(tmp_path / "warehouse.duckdb") as connection:
        close_off(connection, [odd], [Path(os.fsdecode(b"\xff.csv"))])
        for name in ("*", "file.csv"):
            pattern = f"{odd}/{name}".replace("[here]", "[[]here[]]")
            assert connection.execute("from read_text(?)", [pattern]).fetchall()


def test_allowed_files_are_read_and_the_warehouse_is_written(closed, tmp_path):
    closed.execute("create table numbers as select range as number from range(1000)")
    assert closed.execute(f"from '{tmp_path}/inside/file.csv'").fetchall() == [(1,)]
    closed.execute("set preserve_insertion_order = false")  # as raw_messages does
    closed.execute("checkpoint")


def test_a_model_that_reads_a_file_stops_the_build(built, tmp_path):
    built.dbt("build", "--exclude", "profile_segments+", "--empty", *NO_TESTS)
    project = edited_project(
        tmp_path, "traits.sql", "from declarations", f"from (from '{OUTSIDE}') as declarations"
    )
    output = built.dbt("run", "--project-dir", project, "--select", "traits", fails=True)
    assert "Permission Error" in output and "iris.csv" in output, output


def test_a_rule_that_reads_a_file_stops_the_build(built, tmp_path):
    """The language of rules refuses it before DuckDB sees it."""
    rule = "bundle_purchase_score >= 0.35 and open_cart_value >= 100"
    project = edited_project(
        tmp_path,
        "bundles.yml",
        f"when: {rule}",
        f"when: \"{rule} and 'Iris' not in (from '{OUTSIDE}')\"",
    )
    words = ["run", "--project-dir", project, "--select", "profile_segments"]
    output = built.dbt(*words, fails=True)
    assert "a rule reads only columns of the profile" in re.sub(r"\s+", " ", output), output
