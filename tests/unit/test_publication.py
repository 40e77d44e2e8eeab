"""The published file is a whole run, readable at any time, by clients since DuckDB 1.0."""

import os
import resource
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from tideline.publish import main
from tideline.warehouse import publication
from tideline.warehouse.connection import DuckDBWarehouse
from tideline.warehouse.errors import WarehouseError
from tideline.warehouse.publication import outdated_since, publish, published_path

ROOT = Path(__file__).parents[2]
TABLES = """
create schema if not exists tideline;
create schema if not exists tideline_internal;
create or replace table tideline_internal.unfinished_nodes (node_id varchar, status varchar);
create or replace table tideline_internal.secrets as select 'internal' as content;
create or replace table tideline.data_clock as
select timestamp '2026-01-31' + interval {0} hour as as_of;
create or replace table tideline_internal.int_events_deduplicated as
select as_of - interval 1 microsecond as received_at, 'valid' as status from tideline.data_clock
union all select timestamp '2026-02-01', 'quarantined';
create or replace table tideline.profile_segments as
select 'p' || range as profile_id, as_of, {0} as run from range(100), tideline.data_clock;
create or replace table tideline.segments as select 'it''s "x"' as label, {0} as run;
create or replace view tideline.members as
select *, '{{"a": 1}}'::json as said from tideline.profile_segments;
comment on table tideline.segments is 'The team''s segments.';
comment on view tideline.members is 'A view.';
comment on column tideline.members.run is 'The run.';
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDELINE_WAREHOUSE", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.delenv("DBT_TARGET", raising=False)
    build(tmp_path / "warehouse.duckdb", 1)
    return tmp_path / "warehouse.duckdb"


def build(path, run, change=""):
    """A finished run of this number; then a change."""
    with duckdb.connect(str(path)) as con:
        con.execute(TABLES.format(run) + change)


def published(path):
    with DuckDBWarehouse(path, read_only=True) as warehouse:
        return publish(warehouse)


def rows(path, sql):
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_the_public_tables_and_views_are_copied_with_their_descriptions(path, capsys):
    assert main([]) == 0
    target = path.with_name("published.duckdb")
    assert capsys.readouterr().out == f"{target}: 4 tables, as of 2026-01-31 01:00:00 UTC\n"
    for table in ("data_clock", "profile_segments", "segments", "members"):
        sql = f"select * from tideline.{table} order by all"
        assert rows(target, sql) == rows(path, sql)
    assert rows(
        target, "select schema_name, table_name, comment from duckdb_tables() order by 2"
    ) == [
        ("tideline", "data_clock", None),
        ("tideline", "members", "A view."),
        ("tideline", "profile_segments", None),
        ("tideline", "segments", "The team's segments."),
    ]
    commented = "select table_name, column_name, comment from duckdb_columns() where comment <> ''"
    assert rows(target, commented) == [("members", "run", "The run.")]
    assert b"internal" not in target.read_bytes()
    assert {each.name for each in path.parent.iterdir()} == {path.name, target.name}


def test_clients_since_1_0_can_read_the_file(path):
    """The storage version follows the magic bytes: 64 is that of DuckDB 1.0."""
    head = published(path).place.read_bytes()[:20]
    assert head[8:12] == b"DUCK" and int.from_bytes(head[12:20], "little") == 64


def test_each_warehouse_has_its_own_file(path):
    assert published_path(Path("a/warehouse.duckdb")) == Path("a/published.duckdb")
    assert published_path(Path("a/mine.duckdb")) == Path("a/mine_published.duckdb")
    assert published_path(Path("a/mine.db")) == Path("a/mine_published.db")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "insert into tideline_internal.unfinished_nodes values "
            "('model.tideline.fct_events', 'error'), ('test.tideline.not_null_x.1f', 'fail'), "
            "('model.tideline.a', 'skipped')",
            r"not finished 3 of its nodes: fct_events \(error\), not_null_x \(fail\), a \(skip",
        ),
        (
            "insert into tideline_internal.unfinished_nodes "
            "select 'model.tideline.m' || range, 'started' from range(9)",
            r"9 of its nodes: .*m2 \(started\) and so on",
        ),
        (
            "drop table tideline_internal.unfinished_nodes",
            "does not say whether its last build has finished; run `dbt build`",
        ),
        (
            "update tideline.profile_segments set as_of = as_of - interval 1 microsecond",
            "`members` is as of .* a run has built a part of the graph",
        ),
        ("drop table tideline.data_clock", "has no tables yet; run `dbt build`"),
    ],
)
def test_a_run_that_has_not_finished_is_not_published(path, change, message):
    target = published(path).place
    before = target.read_bytes()
    build(path, 2, change)
    with pytest.raises(WarehouseError, match=message):
        published(path)
    assert target.read_bytes() == before
    build(path, 2)
    published(path)
    assert rows(target, "select run from tideline.segments") == [(2,)]


def test_rows_of_earlier_runs_in_a_history_do_not_matter(path):
    build(
        path,
        5,
        "create table tideline.history as select 'p' as profile_id, "
        "timestamp '2026-01-01' as as_of, timestamp '2026-01-01' as dbt_valid_from; "
        "create table tideline.requests as select timestamp '2026-01-01' as as_of; "
        "create table tideline.nobody as select * from tideline.profile_segments where false",
    )
    assert published(path).tables == 7


LATER = (
    "insert into tideline_internal.int_events_deduplicated "
    "select as_of, 'duplicate' from tideline.data_clock"
)


def test_the_past_is_not_published_as_the_present(path):
    """It is the past if an event has arrived at the data clock or after it."""
    build(path, 5, LATER)
    said = (
        "the last build is as of 2026-01-31 05:00:00 UTC, but events have arrived until 2026-01-31"
    )
    with pytest.raises(WarehouseError, match=said):
        published(path)
    assert not published_path(path).exists()
    assert main(["--allow-older"]) == 0
    assert rows(published_path(path), "select run from tideline.segments") == [(5,)]


def test_a_landing_that_was_taken_back_sets_the_clock_back(path):
    for run in (5, 4):
        build(path, run)
        assert rows(published(path).place, "select run from tideline.segments") == [(run,)]


def test_the_future_is_not_published(path):
    clocks = ("data_clock", "profile_segments")
    later = "set as_of = timestamp '2999-01-01'"
    build(path, 5, "; ".join(f"update tideline.{name} {later}" for name in clocks))
    for words in ([], ["--allow-older"]):
        with pytest.raises(WarehouseError, match="is as of 2999-01-01 00:00:00 UTC, in the future"):
            main(words)
    # A log may have times ahead of this machine's clock.
    with duckdb.connect(str(path)) as con:
        con.execute("update tideline_internal.int_events_deduplicated set received_at = "
                    "timestamp '2999-01-01' - interval 1 microsecond")  # fmt: skip
    assert published(path).as_of == datetime(2999, 1, 1)


def test_a_request_to_be_forgotten_keeps_the_clock(path):
    """As in the model `data_clock`."""
    build(path, 5, "create or replace table tideline.forget_requests as "
                   "select as_of from tideline.data_clock")  # fmt: skip
    assert published(path).tables == 5
    build(path, 5, "update tideline.forget_requests set as_of = as_of + interval 1 microsecond")
    with pytest.raises(WarehouseError, match="but events have arrived until"):
        published(path)


def test_before_the_first_event_there_is_something_to_read(path):
    build(path, 1, "delete from tideline.data_clock; delete from tideline.profile_segments")
    assert published(path).as_of is None
    build(
        path,
        1,
        "update tideline.data_clock set as_of = null; delete from tideline.profile_segments",
    )
    assert published(path).as_of is None


@pytest.mark.parametrize("content", [b"", b"not a database", b"\0" * 9000])
def test_a_file_that_is_no_publication_is_replaced(path, content):
    published_path(path).write_bytes(content)
    assert rows(published(path).place, "select run from tideline.segments") == [(1,)]


def test_what_a_killed_publication_leaves_is_replaced(path):
    part = path.with_name("published.duckdb.part-7")
    for half in (part, part.with_name(f"{part.name}.wal")):
        half.write_bytes(b"half")
        os.utime(half, (0, 0))
    other = path.with_name("published.duckdb.part-8")
    other.write_bytes(b"of a process that is publishing now")
    published(path)
    other.unlink()
    assert {each.name for each in path.parent.iterdir()} == {path.name, "published.duckdb"}


def test_the_log_of_a_client_that_wrote_is_not_applied_to_the_next_publication(path):
    """A client that opens the file for writing, and is killed, leaves a log beside it."""
    target = published(path).place
    write = (
        "import duckdb, os, sys; con = duckdb.connect(sys.argv[1]); "
        "con.execute('update tideline.segments set run = 99'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", write, target], check=True)
    assert target.with_name("published.duckdb.wal").exists()
    build(path, 2)
    published(path)
    assert rows(target, "select run from tideline.segments") == [(2,)]


def test_a_full_disk_leaves_the_former_publication(path):
    target = published(path).place
    before = target.read_bytes()
    build(
        path, 2, "create table tideline.large as select range, hash(range) as h from range(400000)"
    )
    done = subprocess.run(
        [sys.executable, "-m", "tideline", "publish"],
        cwd=ROOT,
        env={**os.environ, "TIDELINE_WAREHOUSE": str(path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "published.duckdb cannot be written: " in done.stderr
    assert "The former publication is unchanged. The disk needs free space" in done.stderr
    assert target.read_bytes() == before
    assert {each.name for each in path.parent.iterdir()} == {path.name, target.name}


READER = """
import sys, duckdb
reads, runs = 0, set()
print("reading", flush=True)
while not runs or max(runs) < int(sys.argv[2]):
    with duckdb.connect(sys.argv[1], read_only=True) as con:
        first = con.execute("select max(run) from tideline.segments").fetchone()
        again = con.execute("select max(run), count(*) from tideline.members").fetchone()
    assert again == (*first, 100), (first, again)
    assert not runs or first[0] >= max(runs)
    reads, runs = reads + 1, runs | {first[0]}
print(reads, len(runs))
"""


@pytest.mark.slow
def test_readers_see_one_whole_run_while_others_are_swapped_in(path):
    swaps = int(os.environ.get("SWAPS", "25"))
    target = published(path).place
    words = [sys.executable, "-c", READER, str(target), str(swaps + 1)]
    readers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [reader.stdout.readline() for reader in readers] == ["reading\n"] * 2
    for run in range(2, swaps + 2):
        build(path, run)
        published(path)
    for reader in readers:
        said, _ = reader.communicate(timeout=60)
        assert reader.returncode == 0
        reads, runs = map(int, said.split())
        assert reads > 5 and runs > 2


def test_who_has_opened_the_file_keeps_it(path):
    target = published(path).place
    with duckdb.connect(str(target), read_only=True) as con:
        build(path, 2)
        published(path)
        assert con.execute("select run from tideline.segments").fetchall() == [(1,)]
    assert rows(target, "select run from tideline.segments") == [(2,)]


def test_nobody_may_write_the_file_and_others_may_be_allowed_to_read_it(path, monkeypatch):
    path.chmod(0o640)
    target = published(path).place
    assert target.stat().st_mode & 0o777 == 0o440
    target.chmod(0o444)  # for readers who may not read the warehouse
    modes, copy_tables = [], publication.copy_tables

    def copied(warehouse, names, part):
        copy_tables(warehouse, names, part)
        modes.append(part.stat().st_mode & 0o777)

    monkeypatch.setattr(publication, "copy_tables", copied)
    published(path)
    assert target.stat().st_mode & 0o777 == 0o444 and modes == [0o600]


def test_two_publications_at_once_do_not_disturb_each_other(path):
    words = [sys.executable, "-m", "tideline", "publish"]
    environment = {**os.environ, "TIDELINE_WAREHOUSE": str(path)}
    running = [
        subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for each in running:
        assert each.communicate()[1] == "" and each.returncode == 0
    assert rows(published_path(path), "select run from tideline.segments") == [(1,)]
    assert {each.name for each in path.parent.iterdir()} == {path.name, "published.duckdb"}


def test_a_warehouse_is_not_replaced(path):
    other = path.with_name("published.duckdb")
    build(other, 3)
    before = other.read_bytes()
    with pytest.raises(WarehouseError, match="is a warehouse, not a publication"):
        published(path)
    with pytest.raises(WarehouseError, match="is a warehouse"):
        main(["--allow-older"])
    assert other.read_bytes() == before


def test_a_publication_that_is_open_for_writing_is_not_replaced(path):
    target = published(path).place
    hold = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as client:
        client.stdout.readline()
        with pytest.raises(WarehouseError, match=r"open for writing .*; end it, and open the"):
            published(path)
        client.stdin.close()


def test_unusual_names_are_published(path):
    build(path, 1, 'create table tideline."a""b" as select 1 as "c""d"; '
          'comment on column tideline."a""b"."c""d" is \'x\'')  # fmt: skip
    assert rows(published(path).place, 'select "c""d" from tideline."a""b"') == [(1,)]
    linked = path.parent / "folder" / "warehouse.duckdb"
    linked.parent.mkdir()
    linked.symlink_to(path)
    assert published(linked).place == published_path(path)


def test_a_publication_is_dated(path):
    assert published(path) == publication.Publication(
        published_path(path), 4, datetime(2026, 1, 31, 1)
    )


def test_a_publication_is_outdated_by_the_next_build_and_not_by_itself(path):
    assert outdated_since(path) is None
    published(path)
    assert outdated_since(path) is None
    build(path, 2)
    assert outdated_since(path) is not None
    published(path)
    assert outdated_since(path) is None
