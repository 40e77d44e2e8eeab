"""A delivery folder belongs to one warehouse; files of others are not changed."""

import json
import shutil

import pytest

from tests.support.activation_rig import FILES, Rig, member, members, numbers, some
from tideline.activation.destinations.files.claim import MARKER
from tideline.warehouse.connection import DuckDBWarehouse

pytest_plugins = ["tests.support.activation_fixtures"]


@pytest.fixture
def two(tmp_path):
    """Two warehouses with the same sync and the same delivery folder."""
    rigs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        rig = Rig(tmp_path / name)
        rig.deliveries = tmp_path / "deliveries"
        rig.environment["TIDELINE_DELIVERIES"] = str(rig.deliveries)
        rig.declare(s=FILES)
        rigs.append(rig)
    return rigs


def contents(rig):
    folder = rig.deliveries / "s"
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_the_second_warehouse_is_refused_and_changes_nothing(two):
    one, other = two
    one.desire(members(3))
    one.sync()
    before = contents(one)
    other.desire([member("x"), member("y", "new")])
    for dry_run in (True, False):
        result = other.sync(dry_run=dry_run)
        assert result.failed and result.exit_code == 1
        assert "another warehouse delivers into" in result.run.message
        assert "TIDELINE_DELIVERIES" in result.run.message
    assert contents(one) == before
    one.desire(members(2))
    assert one.sync().run.accepted == 1


def test_a_copy_of_the_warehouse_is_refused_and_changes_nothing(two):
    """The copy has the same id."""
    one, other = two
    one.desire(members(3))
    one.sync()
    shutil.copy(one.path, other.path)
    before = contents(one)
    other.desire([member("x")])
    for dry_run in (True, False):
        result = other.sync(dry_run=dry_run)
        assert result.failed and result.exit_code == 1
        for word in ("is a copy of it or was moved", "TIDELINE_DELIVERIES", MARKER, "two"):
            assert word in result.run.message
    assert contents(one) == before
    one.desire(members(2))
    assert one.sync().run.accepted == 1


def test_a_warehouse_that_was_moved_takes_the_folder_over_where_the_marker_is_removed(two):
    one, other = two
    one.desire(members(3))
    one.sync()
    one.path.replace(other.path)
    other.desire(members(2))
    assert f"remove {MARKER}" in other.sync().run.message
    (other.deliveries / "s" / MARKER).unlink()
    assert numbers(other.sync()) == some(remove=1, accepted=1)
    other.desire(members(3))
    assert numbers(other.sync()) == some(add=1, accepted=1)


def test_a_moved_deployment_and_a_link_to_the_file_keep_their_folder(tmp_path):
    (tmp_path / "here").mkdir()
    rig = Rig(tmp_path / "here")
    rig.declare(s=FILES)
    rig.desire(members(3))
    rig.sync()
    (tmp_path / "here").rename(tmp_path / "there")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    for place, rows in (("there", 2), ("link", 1)):
        rig.path = tmp_path / place / "warehouse.duckdb"
        rig.manifest = tmp_path / place / "manifest.json"
        rig.environment["TIDELINE_DELIVERIES"] = str(tmp_path / "there" / "deliveries")
        rig.desire(members(rows))
        assert rig.sync().run.accepted == 1


def test_a_marker_without_a_place_gets_one(two):
    one, other = two
    one.desire(members(3))
    one.sync()
    path = one.deliveries / "s" / MARKER
    marker = json.loads(path.read_text())
    path.write_text(json.dumps({name: marker[name] for name in ("warehouse_id", "files")}))
    assert one.sync().run.status == "succeeded"
    assert json.loads(path.read_text()) == marker
    shutil.copy(one.path, other.path)
    assert other.sync().failed


def test_one_of_two_that_begin_at_once_is_refused(two, monkeypatch):
    """Both have read the folder before either has claimed it."""
    from tideline.activation import engine

    one, other = two
    one.desire(members(3))
    other.desire([member("x")])
    look, first = engine.read_desired, []

    def between(*arguments):
        if not first:
            first.append(one)
            assert one.sync().run.accepted == 3
        return look(*arguments)

    monkeypatch.setattr(engine, "read_desired", between)
    result = other.sync()
    assert result.failed and numbers(result) == some()
    assert "another warehouse delivers into" in result.run.message
    assert "p000" in contents(one)["vip.jsonl"]


def test_a_removed_folder_belongs_to_nobody(two):
    one, other = two
    one.desire(members(3))
    one.sync()
    for path in (one.deliveries / "s").iterdir():
        path.unlink()
    other.desire([member("x")])
    assert other.sync().run.accepted == 1


def test_a_broken_marker_is_an_error(rig):
    rig.declare(s=FILES)
    rig.desire(members(1))
    rig.sync()
    marker = json.loads((rig.deliveries / "s" / MARKER).read_text())
    odd = [json.dumps(marker | {"files": files}) for files in ([["vip.jsonl"]], 7, None)]
    for text in ("", "{", "[]", "{}", "[" * 100_000, *odd):
        (rig.deliveries / "s" / MARKER).write_text(text)
        result = rig.sync()
        assert result.failed and "cannot be read" in result.run.message


def test_the_id_stays_when_the_warehouse_file_is_rewritten(rig):
    rig.declare(s=FILES)
    rig.desire(members(3))
    rig.sync()
    with DuckDBWarehouse(rig.path) as warehouse:
        warehouse.rewrite()
    rig.desire(members(2))
    assert rig.sync().run.accepted == 1


@pytest.mark.parametrize("of", ["csv", "jsonl"])
def test_files_of_others_are_neither_changed_nor_deleted(rig, of):
    rig.declare(s=FILES | {"format": of})
    folder = rig.deliveries / "s"
    folder.mkdir(parents=True)
    foreign = {
        "notes.csv": "a,b\n1,2\n",
        "other.jsonl": '{"a": 1}\n',
        "backup.part": "half",
        "vip.jsonl.bak": "x",
        "binary.csv": "\x00\x00",
    }
    for name, text in foreign.items():
        (folder / name).write_text(text)
    for rows in (members(3), members(2), members(2)):
        rig.desire(rows)
        assert rig.sync().run.status == "succeeded"
    rig.declare(s=FILES | {"format": "csv" if of == "jsonl" else "jsonl"})
    rig.sync()
    found = contents(rig)
    assert {name: found[name] for name in foreign} == foreign
    assert set(found) - set(foreign) == {MARKER, "vip.csv" if of == "jsonl" else "vip.jsonl"}


def test_a_file_of_others_holds_only_its_rows(rig):
    folder = rig.deliveries / "s"
    folder.mkdir(parents=True)
    (folder / "vip.jsonl").write_text("mine\n")
    rig.declare(s=FILES)
    rig.desire([*members(3), member("x", "new")])
    result = rig.sync()
    assert numbers(result) == some(add=4, accepted=1, held=3)
    assert result.run.status == "held" and "move it away" in result.run.message
    assert (folder / "vip.jsonl").read_text() == "mine\n"
    (folder / "vip.jsonl").unlink()
    assert rig.sync().run.accepted == 3


def test_a_folder_without_a_marker_is_adopted(rig):
    rig.declare(s=FILES)
    rig.desire([*members(3), member("x", "new"), member("y", "old")])
    rig.sync()
    rig.desire([*members(3), member("x", "new")])
    rig.sync()  # `old.jsonl` is empty
    (rig.deliveries / "s" / MARKER).unlink()
    rig.desire([*members(2), member("x", "new"), member("y", "old")])
    assert numbers(rig.sync()) == some(add=1, remove=1, accepted=2)
    marker = json.loads((rig.deliveries / "s" / MARKER).read_text())
    assert marker["files"] == ["new.jsonl", "old.jsonl", "vip.jsonl"]
