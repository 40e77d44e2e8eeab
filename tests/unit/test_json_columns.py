"""The columns of JSON lines are the same if their structure is queried at once or in pieces."""

import json
from contextlib import nullcontext

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tideline.landing import json_columns, log_files

SCALARS = st.sampled_from([None, True, 1, -1, 1.5, "a", 2**63])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)
DOCS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as connection:
        yield connection


def stage(con, docs):
    """The docs as a staged log with blank lines between."""
    con.execute("create or replace temp table docs (_tl_line bigint, _tl_doc varchar)")
    for line, doc in enumerate(docs, 1):
        con.execute("insert into docs values (?, ?)", [2 * line, json.dumps(doc)])
    return "docs"


def without_lists(structure):
    """A structure without the contents of its lists."""
    if isinstance(structure, dict):
        return {key: without_lists(each) for key, each in sorted(structure.items())}
    return "a list" if isinstance(structure, list) else structure


@settings(max_examples=150, deadline=None)
@given(DOCS)
def test_pieces_give_the_structure_of_the_whole(con, docs):
    source = stage(con, docs)
    (whole,) = con.execute("select json_group_structure(_tl_doc::json) from docs").fetchone()
    whole = json.loads(whole)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_columns, "TEXT_AT_A_TIME", 1)
        found = json_columns.structure_of(con, source)
    assert without_lists(found) == without_lists(whole if isinstance(whole, dict) else {})


def test_integers_have_a_type_that_holds_all_of_them(con, tmp_path):
    docs = [{"small": 1, "mixed": 1, "large": 1}, {"small": 2, "mixed": -1, "large": 2**64 - 1}]
    source = (
        f"(select _tl_line, null as _tl_problem, _tl_doc as _tl_original from {stage(con, docs)})"
    )
    names, types = json_columns.stage_keys(con, source, tmp_path / "keys.parquet")
    assert types == {"small": "BIGINT", "mixed": "BIGINT", "large": "HUGEINT"}
    assert names == ["small", "mixed", "large"]


@pytest.mark.slow
def test_a_long_log_does_not_need_memory_for_all_of_it(tmp_path, monkeypatch):
    doc = {"who": {"id": "u1", "plan": "free"}, "what": {"name": "x" * 200, "n": 1}}
    log = tmp_path / "log.jsonl"
    log.write_text(f"{json.dumps(doc)}\n" * 100_000)
    with log_files.connect(tmp_path) as con:
        con.execute("set memory_limit = '160MB'")
        for size, fits in ((1 << 20, True), (1 << 30, False)):
            monkeypatch.setattr(json_columns, "TEXT_AT_A_TIME", size)
            with (
                nullcontext() if fits else pytest.raises(log_files.LandError, match="Out of Memory")
            ):
                assert "who.id" in log_files.open_log(con, log, tmp_path).columns
