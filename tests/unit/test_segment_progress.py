"""The model `segment_progress`, rendered for a run of all steps, in an in-memory warehouse."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import duckdb
import jinja2
import pytest

from tideline.declarations.macros import Macros

MODEL = Path("models/segments/intermediate/segment_progress.sql")
STEPS = [
    f"model.tideline.{name}" for name in ("trait_readings", "attribute_steps", "segment_intervals")
]
EVENT = "2026-03-01 12:00:00"


def progress(clock, as_of=None, selected=STEPS):
    """The revision after a run whose `data_clock` is `clock`, with an event at EVENT."""
    sql = jinja2.Template(MODEL.read_text()).render(
        ref=lambda name: name,
        var={"as_of": as_of}.get,
        selected_resources=selected,
        load_relation=lambda relation: None,
        trait_plan=list,
        lists_version=str,
        attributes_version=str,
        readings_version=lambda: "v1",
        execute=True,
    )
    with duckdb.connect() as con:
        con.execute("create table profile_revisions as select 7 as revision")
        con.execute(f"create table data_clock as select timestamp '{clock}' as as_of")
        con.execute(
            f"create table fct_events as select timestamp '{EVENT}' as occurred_at, "
            "true as is_counted union all select timestamp '2027-01-01', false"
        )
        return con.execute(sql).fetchall()


def test_a_run_with_a_clock_after_all_events_advances():
    assert progress("2026-03-01 12:00:00.000001") == [(7, "v1")]


@pytest.mark.parametrize("clock", [EVENT, "2026-02-01 00:00:00"])
def test_a_run_with_a_clock_before_an_event_leaves_no_progress(clock):
    assert progress(clock) == [(None, "v1")]


def test_a_run_as_of_another_time_leaves_no_progress():
    assert progress("2026-04-01 00:00:00", as_of="2026-04-01") == [(None, "v1")]


@pytest.mark.parametrize("skipped", STEPS)
def test_a_run_that_skips_a_step_leaves_no_progress(skipped):
    selected = [each for each in STEPS if each != skipped]
    assert progress("2026-04-01 00:00:00", selected=selected) == [(None, "v1")]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, 1_772_366_400_000_001),  # the table is written anew: above what it held before
        (7, 1_772_366_400_000_001),  # of a warehouse whose revisions counted runs
        (1_772_366_400_000_001, 1_772_366_400_000_002),
        (1_900_000_000_000_000, 1_900_000_000_000_001),  # the machine's clock was set back
    ],
)
def test_a_revision_is_above_each_earlier_one(last, expected):
    macros = Macros(
        run_started_at=datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
        is_incremental=lambda: last is not None,
        run_query=lambda query: SimpleNamespace(rows=[(last,)]),
        this="profile_revisions",
    )
    assert macros.call("next_revision") == expected
