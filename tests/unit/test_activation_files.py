"""Activation into files: exactly the current members, in complete files."""

import csv
import json
import sys

import pytest

from tests.support.activation_rig import FILES, member, members
from tideline.activation.destinations.files.cells import cell, plain
from tideline.activation.destinations.files.files import file_stem

pytest_plugins = ["tests.support.activation_fixtures"]


@pytest.fixture(params=["jsonl", "csv"])
def filed(rig, request):
    """A rig with one files sync `s`, in either format."""
    rig.declare(s=FILES | {"format": request.param})
    rig.format = request.param
    return rig


def delivered(rig, name="s"):
    """The profiles by file, in the order of the file."""
    found = {}
    for path in map((rig.deliveries / name).joinpath, rig.files(name)):
        with path.open(newline="", encoding="utf-8") as source:
            rows = csv.DictReader(source) if path.suffix == ".csv" else map(json.loads, source)
            found[path.name] = [row["profile_id"] for row in rows]
    return found


def test_one_file_per_segment_with_its_current_members(filed):
    filed.desire([*members(3), member("p001", "new"), member("x", "new")])
    filed.sync()
    end = filed.format
    assert delivered(filed) == {f"new.{end}": ["p001", "x"], f"vip.{end}": ["p000", "p001", "p002"]}
    filed.desire([*members(3)[1:], member("y")])
    filed.sync()
    assert delivered(filed) == {f"new.{end}": [], f"vip.{end}": ["p001", "p002", "y"]}


def test_a_segment_without_members_keeps_an_empty_file(filed):
    filed.desire([member("p"), member("q", "other")])
    filed.sync()
    filed.desire([member("p")])
    filed.sync()
    text = (filed.deliveries / "s" / f"other.{filed.format}").read_text()
    header = "profile_id,segment_name,details,email,entered_at,is_new,score,segment_label\n"
    assert text == (header if filed.format == "csv" else "")


def test_rows_are_readable_as_they_are(filed):
    odd = 'a "quoted", label\nof two lines – ü'
    filed.declare(
        s=FILES | {"format": filed.format, "columns": ["segment_label", "is_new", "score"]}
    )
    filed.desire([member("p", label=odd, score=None)])
    filed.sync()
    with (filed.deliveries / "s" / f"vip.{filed.format}").open(
        newline="", encoding="utf-8"
    ) as file:
        [row] = csv.DictReader(file) if filed.format == "csv" else map(json.loads, file)
    assert list(row) == ["profile_id", "segment_name", "segment_label", "is_new", "score"]
    assert row["segment_label"] == odd
    assert (row["is_new"], row["score"]) == (
        ("true", "") if filed.format == "csv" else (True, None)
    )


def test_a_second_run_leaves_the_files_alone(filed):
    filed.desire(members(3))
    filed.sync()
    [path] = map((filed.deliveries / "s").joinpath, filed.files())
    before = path.stat()
    filed.sync()
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_segments_larger_than_a_batch(filed):
    filed.declare(s=FILES | {"format": filed.format, "batch_rows": 4})
    rows = [*members(10), *members(7, segment="other")]
    filed.desire(rows)
    filed.sync()
    assert sum(map(len, delivered(filed).values())) == 17
    filed.desire(rows[5:])
    filed.sync()
    assert delivered(filed)[f"vip.{filed.format}"] == [f"p{i:03}" for i in range(5, 10)]


def test_a_lost_or_shortened_file_is_written_again(filed):
    filed.desire([*members(4), member("x", "new")])
    filed.sync()
    whole = delivered(filed)
    vip, new = (filed.deliveries / "s" / f"{name}.{filed.format}" for name in ("vip", "new"))
    vip.unlink()
    new.write_text("")
    assert filed.sync().counts.adds == 5
    assert delivered(filed) == whole


def test_after_a_lost_ledger_files_have_only_members(filed):
    filed.desire([*members(4), member("x", "new")])
    filed.sync()
    filed.sql("delete from warehouse.tideline.activation_ledger")
    filed.desire(members(2))
    filed.sync()
    assert delivered(filed) == {f"new.{filed.format}": [], f"vip.{filed.format}": ["p000", "p001"]}


def test_another_format_takes_the_place_of_the_old(rig):
    rig.desire(members(3))
    rig.declare(s=FILES)
    rig.sync()
    rig.declare(s=FILES | {"format": "csv"})
    rig.sync()
    assert delivered(rig) == {"vip.csv": ["p000", "p001", "p002"]}


def test_without_groups_there_is_one_file(rig):
    rig.desire([*members(2), member("x", "new")])
    rig.declare(s={key: value for key, value in FILES.items() if key != "group_by"})
    rig.sync()
    rig.sync()
    assert delivered(rig) == {"s.jsonl": ["p000", "p001", "x"]}


def test_two_syncs_do_not_share_files(rig):
    rig.desire(members(1))
    rig.declare(s=FILES, t=FILES)
    rig.sync("s")
    rig.sync("t")
    assert delivered(rig, "s") == delivered(rig, "t") == {"vip.jsonl": ["p000"]}


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "VIP", "a/b", "a b", "", "..", "é", "x" * 300]
)
def test_names_become_safe_file_names(name):
    stem = file_stem(name)
    assert stem.isascii() and "/" not in stem and not stem.startswith(".") and 0 < len(stem) < 100
    assert stem == stem.lower() != file_stem(name + "_")


def test_similar_names_get_separate_files(rig):
    names = ["vip", "VIP", "v/ip", "v ip", "../vip"]
    rig.desire([member(f"p{index}", name) for index, name in enumerate(names)])
    rig.declare(s=FILES)
    rig.sync()
    found = delivered(rig)
    assert sorted(found.values()) == [[f"p{index}"] for index in range(5)]
    assert len({name.lower() for name in found}) == 5


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_disk_full_from_the_start_leaves_a_folder_that_can_be_used(rig):
    rig.declare(s=FILES | {"max_attempts": 1})
    rig.desire(members(3))
    process = rig.command(prelude=FULL_DISK.replace("(2000,", "(20,"))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "cannot be written" in out, out + err
    assert rig.sync().run.accepted == 3


# A limit of the operating system: writing beyond it fails like on a full disk.
FULL_DISK = (
    "import resource, signal\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "import tideline.activation.destinations.files as f\n"
    "send = f.Files.send\n"
    "def limited(self, batch, run_id):\n"
    "    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))\n"
    "    try:\n"
    "        return send(self, batch, run_id)\n"
    "    finally:\n"
    "        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
    "f.Files.send = limited\n"
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_leaves_the_old_file_unchanged(rig):
    rig.declare(s=FILES | {"max_attempts": 1})
    rig.desire(members(3))
    rig.sync()
    before = (rig.deliveries / "s" / "vip.jsonl").read_bytes()
    rig.desire([*members(40), member("x", "small")])
    process = rig.command(prelude=FULL_DISK)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot be written" in out and "old file is unchanged" in out, out + err
    assert (rig.deliveries / "s" / "vip.jsonl").read_bytes() == before
    assert delivered(rig) == {"small.jsonl": ["x"], "vip.jsonl": ["p000", "p001", "p002"]}
    assert rig.last_run("held") == 37 and rig.last_run("accepted") == 1
    rig.sync()
    assert len(delivered(rig)["vip.jsonl"]) == 40


FORMULAS = ["=1+1", "+49 170 1234567", "-1+1", "-", "@sum(a1)", "\t=1", "\r=1", "\n=1", "＝1+1"]
FORMULAS += ["\ufeff=1", "\u200b@x", "\xa0+1", "\x00=1", "\x0b=1"]
HARMLESS = ["a=b", "", " =1", "'t Hooft", "ann@example.org", "-5", "-5.25", "-1e-05", "2026-01-01"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_that_a_spreadsheet_would_run_is_text(text):
    assert cell(text) == f"'{text}"
    assert cell(f"'{text}") == f"''{text}"
    assert plain(cell(text)) == text and plain(cell(f"'{text}")) == f"'{text}"


@pytest.mark.parametrize("text", HARMLESS)
def test_a_cell_that_runs_nothing_stays(text):
    assert cell(text) == plain(text) == text


def test_negative_numbers_stay_numbers():
    assert [cell(value) for value in (-5, -0.25, 3, None, True)] == ["-5", "-0.25", "3", "", "true"]


def test_formulas_in_keys_and_rows_arrive_as_text_once_and_leave(rig):
    rig.declare(s=FILES | {"format": "csv", "columns": ["segment_label", "score"]})
    rig.desire([member(text, label=text, score=-2.5) for text in FORMULAS])
    rig.sync()
    path = rig.deliveries / "s" / "vip.csv"

    def rows():
        with path.open(newline="", encoding="utf-8") as source:
            return [tuple(row.values()) for row in csv.DictReader(source)]

    assert sorted(rows()) == sorted((f"'{t}", "vip", f"'{t}", "-2.5") for t in FORMULAS)
    rig.desire([member(text, label="=2", score=-2.5) for text in FORMULAS[:4]])
    rig.sync()
    assert sorted(rows()) == sorted((f"'{t}", "vip", "'=2", "-2.5") for t in FORMULAS[:4])
    assert rig.sync().run.planned == 0


def test_rows_that_were_written_unescaped_are_escaped_with_the_next_change(rig):
    rig.declare(s=FILES | {"format": "csv", "columns": ["segment_label"]})
    rig.desire([member("=1"), member("=2"), member("b")])
    rig.sync()
    path = rig.deliveries / "s" / "vip.csv"
    path.write_text(path.read_text().replace("'=", "="))
    rig.desire([member("=1"), member("b"), member("c")])
    rig.sync()
    assert path.read_text().split() == [
        "profile_id,segment_name,segment_label",
        *(f"{profile},vip,VIP" for profile in ("'=1", "b", "c")),
    ]
