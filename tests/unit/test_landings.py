"""Correcting a landing: replacements, refusals and removals."""

import gzip
import json

import duckdb
import pyarrow.parquet as pq
import pytest

from tideline.landing.land import land, main
from tideline.landing.landings import read_landing
from tideline.landing.log_files import LandError
from tideline.landing.mapping import parse_mapping

PLAIN = {"time": "at", "user_id": "who", "event": "what"}
HEAD = "at,who,what\n"
JUNE = HEAD + "2024-06-01,a,x\n2024-06-02,b,x\n"
JULY = HEAD + "2024-07-01,c,x\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def landed(tmp_path, log, mapping=PLAIN, **how):
    return land(log, parse_mapping(mapping, "log.yml"), tmp_path / "landing", **how)


def ids(path):
    return [name for (name,) in duckdb.sql(f"select messageId from '{path}'").fetchall()]


def landing_id(path):
    return read_landing(path)[0].landing_id


def test_a_corrected_mapping_replaces_and_says_so(tmp_path):
    log = write(tmp_path / "log.csv", JUNE)
    first = landed(tmp_path, log)
    before = landing_id(first.output)
    assert first.replaced is None and "replaces" not in first.summary()
    assert "trains" not in first.summary()
    second = landed(tmp_path, log, PLAIN | {"user_id": "what"})
    assert "replaces the 2 rows of log.csv that were landed with log.yml" in second.summary()
    assert "the next one trains personas and models anew" in second.summary()
    assert landing_id(second.output) == before
    assert [path.name for path in second.output.parent.iterdir()] == ["log.parquet"]
    # Landing the same again changes nothing and reports no change.
    assert landed(tmp_path, log, PLAIN | {"user_id": "what"}).replaced is None


def test_a_mapping_that_can_hardly_read_the_log_does_not_replace_a_good_landing(tmp_path):
    text = HEAD + "".join(f"2024-06-{n:02},a,x\n" for n in range(1, 31))
    log, wrong = write(tmp_path / "log.csv", text), {"column": "at", "format": "%Y-%d-%m"}
    first = landed(tmp_path, log)
    before = first.output.read_bytes()
    with pytest.raises(LandError, match=r"18 of 30 rows cannot be read .* log\.csv:14, so"):
        landed(tmp_path, log, PLAIN | {"time": wrong})
    assert first.output.read_bytes() == before
    assert [path.name for path in first.output.parent.iterdir()] == ["log.parquet"]
    forced = landed(tmp_path, log, PLAIN | {"time": wrong}, is_forced=True)
    assert forced.untimed_rows == 18 and forced.replaced
    # A landing that can hardly be read is replaced by another, and by a good one.
    again = landed(tmp_path, log, PLAIN | {"time": wrong, "user_id": "what"})
    assert again.untimed_rows == 18 and again.replaced
    assert landed(tmp_path, log).untimed_rows == 0
    # Half of the rows is not most.
    half = write(log, HEAD + "2024-06-01,a,x\n2024-13-01,a,x\n")
    assert landed(tmp_path, half, is_forced=True).untimed_rows == 1


def test_times_far_from_today_are_not_read_where_a_good_landing_is_replaced(tmp_path):
    text = HEAD + "".join(f"{1717200000000 + 86_400_000 * n},a,x\n" for n in range(30))
    log = write(tmp_path / "log.csv", text)
    good, wrong = ({"column": "at", "unit": unit} for unit in ("ms", "s"))
    first = landed(tmp_path, log, PLAIN | {"time": wrong})
    assert first.far_rows == 30
    # A bad landing is replaced by a good one, and not the other way round.
    good_bytes = landed(tmp_path, log, PLAIN | {"time": good}).output.read_bytes()
    with pytest.raises(LandError, match=r"30 of 30 rows .* \(log\.csv: .*`unit: ms`\?\)"):
        landed(tmp_path, log, PLAIN | {"time": wrong})
    assert first.output.read_bytes() == good_bytes
    assert landed(tmp_path, log, PLAIN | {"time": wrong}, is_forced=True).far_rows == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filters": ["what = 'nothing'"]}, "no row is left of the 2 rows of the former landing"),
        ({"user_id": {"sql": "null"}}, "no row names anybody, unlike 2 rows of the former"),
    ],
)
def test_a_mapping_that_leaves_nothing_does_not_replace_a_landing(tmp_path, change, message):
    log = write(tmp_path / "log.csv", JUNE)
    before = landed(tmp_path, log).output.read_bytes()
    with pytest.raises(LandError, match=message):
        landed(tmp_path, log, PLAIN | change)
    assert (tmp_path / "landing" / "events" / "log.parquet").read_bytes() == before
    assert landed(tmp_path, log, PLAIN | change, is_forced=True).replaced


def test_the_note_does_not_contain_the_path_of_the_log(tmp_path):
    log = write(tmp_path / "private" / "log.csv", JUNE)
    noted = pq.read_metadata(landed(tmp_path, log).output).metadata
    assert str(tmp_path) not in repr(noted)


@pytest.mark.parametrize(
    "change",
    [
        {"head_bytes": "x"},
        {"head_bytes": -1},
        {"landing_id": None},
        {"log": "a\nwarning: all is well"},
        {"log": [[]]},
        {"more": 1},
    ],
)
def test_an_invalid_note_is_ignored(tmp_path, change):
    output = landed(tmp_path, write(tmp_path / "log.csv", JUNE)).output
    table = pq.read_table(output)
    note = json.loads(table.schema.metadata[b"tideline_landing"]) | change
    noted = table.replace_schema_metadata({"tideline_landing": json.dumps(note)})
    pq.write_table(noted, output.with_name("odd.parquet"))
    assert read_landing(output.with_name("odd.parquet")) is None
    assert landed(tmp_path, tmp_path / "log.csv").other_names == []
    noted = table.replace_schema_metadata({"tideline_landing": "[" * 100_000})
    pq.write_table(noted, output.with_name("odd.parquet"))
    assert read_landing(output.with_name("odd.parquet")) is None


@pytest.mark.parametrize("name", ["other/log.csv", "log.csv", "log.csv.gz"])
def test_a_log_that_grew_or_moved_is_the_same_log(tmp_path, name):
    before = landing_id(landed(tmp_path, write(tmp_path / "log.csv", JUNE)).output)
    grown = write(tmp_path / name, JUNE + "2024-06-03,c,x\n")
    result = landed(tmp_path, grown)
    assert result.replaced == ("log.csv", "log.yml", 2)
    assert landing_id(result.output) == before


def test_another_log_of_the_same_name_is_refused(tmp_path):
    june = landed(tmp_path, write(tmp_path / "june" / "log.csv", JUNE))
    before = june.output.read_bytes()
    july = write(tmp_path / "july" / "log.csv", JULY)
    with pytest.raises(LandError, match=r"another log.*--as NAME.*--replace"):
        landed(tmp_path, july)
    assert june.output.read_bytes() == before
    # Under another name, it is a second landing without common ids.
    second = landed(tmp_path, july, name="july")
    assert ids(june.output) == ["log.csv:2", "log.csv:3"] and ids(second.output) == ["july:2"]
    assert landing_id(second.output) != landing_id(june.output)
    # Or it is declared as a new version.
    forced = landed(tmp_path, july, is_forced=True)
    assert forced.replaced == ("log.csv", "log.yml", 2)
    assert forced.other_names == ["july"] and "--remove july" in forced.summary()


def test_two_logs_of_one_name_are_two_landings_without_the_file_between(tmp_path):
    """A landed file may be moved away; a new log under its name must not replace its rows."""
    found = []
    for folder, text in (("june", JUNE), ("july", JULY)):
        result = landed(tmp_path, write(tmp_path / folder / "log.csv", text))
        found.append(landing_id(result.output))
        result.output.unlink()
    assert found[0] != found[1]
    again = landed(tmp_path, tmp_path / "june" / "log.csv", PLAIN | {"event": "who"})
    assert landing_id(again.output) == found[0]


def test_a_file_of_another_program_is_not_overwritten(tmp_path):
    output = tmp_path / "landing" / "events" / "log.parquet"
    output.parent.mkdir(parents=True)
    duckdb.sql(f"copy (select 'a' as messageId) to '{output}'")
    before = output.read_bytes()
    with pytest.raises(LandError, match=r"was not landed by this command.*--as NAME"):
        landed(tmp_path, write(tmp_path / "log.csv", JUNE), is_forced=True)
    assert output.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "given"), [("_log.csv", None), ("log.csv", ".x"), ("log.csv", "a/b")]
)
def test_a_name_that_a_build_would_pass_over_is_refused(tmp_path, name, given):
    with pytest.raises(LandError, match="--as NAME"):
        landed(tmp_path, write(tmp_path / name, JUNE), name=given)


def test_a_landing_is_taken_back_and_landed_again(tmp_path, capsys):
    where = ["--landing", str(tmp_path / "landing")]
    log = write(tmp_path / "log.csv", JUNE)
    output = landed(tmp_path, log).output
    before, columns = landing_id(output), pq.read_schema(output).names
    assert main(["--remove", str(log), *where]) == 0
    assert "log.parquet: taken back; the next build takes its 2 rows out" in capsys.readouterr().out
    # An empty file of the same landing tells the build.
    assert ids(output) == [] and landing_id(output) == before
    assert pq.read_schema(output).names == columns
    assert [path.name for path in (tmp_path / "landing").iterdir()] == ["events"]
    assert main(["--remove", "log", *where]) == 1
    assert "log: there is no such landing" in capsys.readouterr().err
    # The name is free, also for another log, but the landing stays for the next build.
    write(log, JULY)
    result = landed(tmp_path, log)
    assert landing_id(result.output) == before and result.replaced is None


def test_a_removed_landing_must_exist(tmp_path, capsys):
    where = ["--landing", str(tmp_path / "landing")]
    output = landed(tmp_path, write(tmp_path / "log.csv", JUNE)).output
    before = output.read_bytes()
    assert main(["--remove", "lgo", *where]) == 1
    assert "did you mean `log`?" in capsys.readouterr().err
    assert output.read_bytes() == before


def test_each_log_of_a_command_is_a_landing(tmp_path, capsys):
    where = ["--landing", str(tmp_path / "landing")]
    logs = [str(write(tmp_path / f"{name}.csv", JUNE + name)) for name in ("one", "two")]
    mapping = write(tmp_path / "log.yml", json.dumps(PLAIN))  # JSON is YAML
    assert main([*logs, "--mapping", str(mapping), *where]) == 0
    assert "also landed as" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*logs, "--mapping", str(mapping), "--as", "x", *where])
    assert main(["--remove", *logs, *where]) == 0
    assert capsys.readouterr().out.count("taken back") == 2


def test_json_rows_may_lack_what_others_have(tmp_path):
    rows = [{"at": "2024-01-01", "who": "a", "what": "x"} for _ in range(3000)]
    rows += [rows[0] | {"plan": "gold", "n": 1}, rows[0] | {"plan": None, "n": 1.5}]
    log = write(tmp_path / "log.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    result = landed(tmp_path, log, PLAIN | {"properties": {"plan": "plan", "n": "n"}})
    found = duckdb.sql(f"select properties from '{result.output}'").fetchall()
    assert [json.loads(said) for (said,) in found[-3:]] == [
        {},
        {"plan": "gold", "n": 1},
        {"n": 1.5},
    ]
    assert result.unreadable_rows == 0
    with pytest.raises(Exception, match=r"properties\.p: log\.jsonl has no column 'plam'"):
        landed(tmp_path, log, PLAIN | {"properties": {"p": "plam"}})
