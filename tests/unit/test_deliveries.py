"""What syncs would send for a previewed segment, compared with the audiences of the last build."""

from dataclasses import replace

import duckdb
import pytest

from tideline.declarations.segments import read_segments
from tideline.declarations.syncs import Settings, Sync
from tideline.segments.deliveries import Delivery, deliveries_of
from tideline.warehouse.connection import DuckDBWarehouse

SEGMENT = read_segments()[0]
SETTINGS = Settings(destination="files", key=("profile_id", "segment_name"))
CONSENTS = ("tideline", "profile_consents")
# Profile, label now, label then: null if it is not in.
PEOPLE = (
    ("stays", "Old", "Old"),
    ("renamed", "Old", "New"),
    ("leaves", "Old", None),
    ("leaves too", "Old", None),
    ("leaves, refused", "Old", None),
    ("enters", None, "New"),
    ("enters, silent", None, "New"),
    ("enters, refused", None, "New"),
    ("is not in", None, None),
)
AGREED = ("stays", "renamed", "leaves", "leaves too", "enters")


def sync(name="s", table="activation_audiences", consents=None, **settings):
    return Sync(name, "tideline", table, replace(SETTINGS, **settings), None, 10, consents)


def hold_out(con, experiments):
    """Experiments that hold out "enters", and treat "leaves"."""
    con.execute("create table experiments (experiment_name varchar, segments varchar)")
    con.execute(
        "create table experiment_arms (profile_id varchar, experiment_name varchar, "
        "exposed_at timestamp, is_held_out boolean)"
    )
    for name, segments in experiments.items():
        con.execute("insert into experiments values (?, ?)", [name, segments])
        for profile in ("enters", "leaves"):
            row = [profile, name, profile == "enters"]
            con.execute("insert into experiment_arms values (?, ?, null, ?)", row)


@pytest.fixture
def warehouse(tmp_path, request):
    """A built warehouse; the parameter has the segments of experiments that hold somebody out."""
    path = tmp_path / "built.duckdb"
    with duckdb.connect(path) as con:
        con.execute("create schema tideline")
        con.execute("use tideline")
        con.execute(
            "create table activation_audiences "
            "(profile_id varchar, segment_name varchar, segment_label varchar)"
        )
        con.execute(
            "create table profile_consents (profile_id varchar, purpose varchar, "
            "is_granted boolean)"
        )
        if experiments := getattr(request, "param", None):
            hold_out(con, experiments)
        for profile, now, _ in PEOPLE:
            said = [(profile, "other", True)]
            said += [(profile, "mail", profile in AGREED)] if "silent" not in profile else []
            con.executemany("insert into profile_consents values (?, ?, ?)", said)
            rows = [(profile, "another segment", "Old")]
            rows += [(profile, SEGMENT.name, now)] if now else []
            con.executemany("insert into activation_audiences values (?, ?, ?)", rows)
    with DuckDBWarehouse(path, read_only=True) as opened:
        opened.execute(
            "create temp table _judged (profile_id varchar, _label varchar, _is_in bool)"
        )
        for profile, _, then in PEOPLE:
            opened.execute(
                "insert into _judged values (?, ?, ?)", [profile, then or "x", then is not None]
            )
        yield opened


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (sync(), (3, 3, 1)),
        (sync(columns=("segment_label",)), (3, 3, 1)),
        (sync(columns=("email",)), (3, 3, 0)),
        (sync(consents=CONSENTS, consent="mail"), (1, 2, 1)),
        (sync(consents=CONSENTS, consent="mail", silence_is_consent=True), (2, 2, 1)),
    ],
)
def test_a_sync_sends_what_differs_and_may_be_sent(warehouse, declared, expected):
    assert deliveries_of(warehouse, SEGMENT, [declared]) == [Delivery("s", *expected)]


def test_only_syncs_of_the_audiences_are_counted(warehouse):
    syncs = [sync("a"), sync("b", table="golden_profiles"), sync("c")]
    assert [each.sync for each in deliveries_of(warehouse, SEGMENT, syncs)] == ["a", "c"]


def test_a_segment_without_rows_changes_nothing(warehouse):
    warehouse.execute("delete from _judged")
    segment = replace(SEGMENT, spec=replace(SEGMENT.spec, name="nobody"))
    assert deliveries_of(warehouse, segment, [sync()]) == [Delivery("s", 0, 0, 0)]


@pytest.mark.parametrize(
    ("warehouse", "adds"),
    [
        ({"own": SEGMENT.name}, 2),
        ({"global": "*"}, 2),
        ({"both": f"a,{SEGMENT.name},b", "global": "*"}, 2),
        ({"other": f"{SEGMENT.name}_2,a"}, 3),
    ],
    indirect=["warehouse"],
)
def test_whom_an_experiment_holds_out_is_not_sent(warehouse, adds):
    assert deliveries_of(warehouse, SEGMENT, [sync()]) == [Delivery("s", adds, 3, 1)]
